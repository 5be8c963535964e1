/* SPDX-License-Identifier: MPL-2.0 */
/* What the end of an op's stay on a token means to its client: which error, and what that says. */
#include <stdio.h>
#include <string.h>

#include "daemon/broker/op/op.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/cause.h"
#include "daemon/util/ckr.h"

/* When a request that met a shortage of memory may be tried again. */
#define MEMORY_RETRY_MS 1000U

const char *op_reason(const struct op *op, const struct token *token, char text[static OP_REASON_SIZE])
{
        const char *end = strstr(token->reason, "; ");

        if (!end || op_is_operators(op))
                return token->reason;
        snprintf(text, OP_REASON_SIZE, "%.*s", (int)(end - token->reason), token->reason);
        return text;
}

/* A death that the supervisor has not told of yet counts. */
static void fail_unavailable(struct op *op, const struct token *token)
{
        const struct cause_info *cause = cause_find(token->end);
        struct output output = {0};
        char reason[OP_REASON_SIZE];

        output_text(&output, "{");
        output_pair(&output, "token", token->name);
        output_pair(&output, "state",
                token_state_name(token->state == TOKEN_READY ? TOKEN_RECOVERING : token->state));
        output_pair(&output, "reason", op_reason(op, token, reason));
        if (cause)
                output_pair(&output, "cause", cause->word);
        output_text(&output, "}");
        op_fail_output(op, PROTO_TOKEN_UNAVAILABLE, &output);
}

static void fail_late(struct op *op, const struct token *token)
{
        struct output output = {0};

        /* Each time that a worker had it counts, an accelerator's too. A claim of another host kept it from being done. */
        output_text(&output, "{");
        output_pair(&output, "token", token->name);
        output_format(&output, ",\"executed\":%s}", op->attempt > op->n_claimed ? "true" : "false");
        op_fail_output(op, PROTO_DEADLINE_EXCEEDED, &output);
}

static void fail_overloaded(struct op *op, const struct token *token, unsigned retry_ms)
{
        struct output output = {0};

        output_text(&output, "{");
        output_pair(&output, "token", token ? token->name : "");
        output_format(&output, ",\"retryAfterMs\":%u}", retry_ms);
        op_fail_output(op, PROTO_OVERLOADED, &output);
}

static void fail_not_supported(struct op *op)
{
        struct output output = {0};

        output_text(&output, "{");
        output_pair(&output, "key", op->key);
        output_pair(&output, "algorithm", op->algorithm);
        if (op->lacks)
                output_pair(&output, "usage", usage_name(op->lacks));
        output_text(&output, "}");
        op_fail_output(op, PROTO_ALGORITHM_NOT_SUPPORTED, &output);
}

static void fail_token(struct op *op, const struct token *token)
{
        char text[CKR_TEXT];

        op_fail_with_two(op, PROTO_TOKEN_ERROR, "token", token->name, "ckr", ckr_text(op->ckr, text));
}

static void fail_exists(struct op *op, const struct token *token)
{
        const char *nickname = op->nickname ? op->nickname : op->key;

        /* What is to have no nickname is called by the first digits of its id, which another key has. */
        if (!nickname[0])
                op_invalid(op, "id", "another key of the token has an id that begins so");
        else
                op_fail_with_two(op, PROTO_NICKNAME_EXISTS, "token", token->name, "nickname", nickname);
}

static void fail_gone(struct op *op)
{
        if (op->of == OBJECT_CERTIFICATE)
                op_fail_with(op, PROTO_CERTIFICATE_NOT_FOUND, "certificate", op->key);
        else if (op->of == OBJECT_SECRET)
                op_fail_with(op, PROTO_SECRET_NOT_FOUND, "secret", op->key);
        else
                op_fail_with(op, PROTO_KEY_NOT_FOUND, "key", op->key);
}

/* What became of a ciphertext would say, byte by byte, what is in it: so it is one sentence, whatever the worker found. */
static const char *ciphertext_reason(const char *parameter)
{
        if (strcmp(parameter, "ciphertext") == 0)
                return "it cannot be decrypted so with this key";
        return strcmp(parameter, "wrapped") == 0 ? "it cannot be unwrapped so with this key as such a key"
                                                 : NULL;
}

static bool is_named(const struct op *op, const char *parameter)
{
        return op->refused && strcmp(op->refused, parameter) == 0;
}

/* The worker refused a parameter of the method. If it does not say which, the method knows. */
static void fail_invalid(struct op *op)
{
        const char *parameter = op->invalid ? op->invalid : "message", *reason;

        for (size_t i = 0; i < op->method->n_fields; i++)
                if (is_named(op, op->method->fields[i].name))
                        parameter = op->method->fields[i].name;
        /* Of a certificate that is none the worker does not say which parameter it was. */
        if (strcmp(parameter, "certificate") == 0 && !is_named(op, parameter))
                op_fail_with(op, PROTO_NOT_A_CERTIFICATE, "reason", op->text ? op->text : "");
        else {
                reason = ciphertext_reason(parameter);
                if (!reason)
                        reason = op->text && op->text[0] ? op->text : "the token does not take it";
                op_invalid(op, parameter, reason);
        }
}

static const char *operation_name(const struct op *op)
{
        return op->method->right ? config_right_name(op->method->right) : "remove-claim";
}

/* What a sealed key may be for has the same words as Allow=. */
static void fail_denied(struct op *op)
{
        unsigned usage = op->end == END_NOT_ITS_USAGE && op->text ? usage_from_name(op->text) : 0;
        enum denial denial =
                op->end == END_NOT_ITS_USAGE ? DENIAL_NOT_ITS_USAGE : op_denial(op, op->method->right);

        /* The right may be back by now. */
        op_denied(op, usage ? usage_name(usage) : operation_name(op),
                denial == DENIAL_NONE ? DENIAL_NOT_ALLOWED : denial);
}

void op_fail_end(struct op *op, struct token *token, enum op_end end)
{
        op->end = end;
        switch (end) {
        case END_OK:
                op_done(op);
                break;
        case END_CKR:
                fail_token(op, token);
                break;
        case END_KEY_GONE:
                fail_gone(op);
                break;
        case END_NICKNAME_EXISTS:
                fail_exists(op, token);
                break;
        case END_NOT_SUPPORTED:
                fail_not_supported(op);
                break;
        case END_INVALID:
                fail_invalid(op);
                break;
        case END_FULL:
                fail_overloaded(op, token, token_retry_ms(token));
                break;
        case END_NO_MEMORY:
                fail_overloaded(op, token, MEMORY_RETRY_MS);
                break;
        case END_UNAVAILABLE:
                fail_unavailable(op, token);
                break;
        case END_REMOVED:
                op_fail_with(op, PROTO_TOKEN_NOT_FOUND, "token", token->name);
                break;
        case END_DEADLINE:
        case END_DEADLINE_EXECUTED:
                fail_late(op, token);
                break;
        case END_WORKER_LOST:
                op_fail_with(op, PROTO_WORKER_LOST, "token", token->name);
                break;
        case END_NOT_OUR_SEAL:
                op_fail_with(op, PROTO_NOT_OUR_SEAL, "token", token->name);
                break;
        case END_UNRECORDED:
                op_fail_unrecorded(op);
                break;
        case END_DENIED:
        case END_NOT_ITS_USAGE:
                fail_denied(op);
                break;
        case END_DROPPED: /* to nobody */
        case END_OUTCOME_UNKNOWN:
                op_fail_with_two(
                        op, PROTO_OUTCOME_UNKNOWN, "token", token->name, "operation", operation_name(op));
                break;
        }
}

void op_finish(struct op *op)
{
        op_fail_end(op, op->token, op->end);
}

void op_finish_payload(struct op *op)
{
        if (op->end == END_OK) {
                op->result = malloc(op->payload.length + 1);
                if (!op->result)
                        op->end = END_NO_MEMORY;
        }
        if (op->end == END_OK) {
                memcpy(op->result, op->payload.data, op->payload.length);
                op->n_result = op->payload.length;
                if (op->caller)
                        op_charge(op, op->n_result);
        }
        op_finish(op);
}
