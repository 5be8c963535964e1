/* SPDX-License-Identifier: MPL-2.0 */
/* The answer of an op: what it is, its record, and how it is written. Errors are rendered when they happen, which is short;
 * results when their turn has come. */
#include <string.h>

#include "daemon/broker/op/op.h"
#include "daemon/broker/audit/records.h"
#include "daemon/broker/model/audit-key.h"
#include "daemon/broker/op/record.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"

/* Denials that are logged in 10 s; the others are counted. */
#define LOG_MAX 10U
/* When a request that met a shortage of memory may be tried again. */
#define MEMORY_RETRY_MS 1000U

/* ---- the answer ---- */

static void on_recorded(struct op *op, bool may)
{
        if (!may && record_is_withheld(op))
                op_fail_unrecorded(op);
        if (op->client)
                client_touch(op->client);
}

/* The answer is known. It changes once at most: where its record cannot be kept. */
void op_done(struct op *op)
{
        op->answered = true;
        if (record_end(op, on_recorded) < 0)
                op_fail_unrecorded(op);
        if (op->state == OP_AT_HAND) {
                op->state = OP_ENDED;
                op->token = op->at = NULL;
        }
        if (op->client)
                client_touch(op->client);
}

void op_fail(struct op *op, enum proto_error error, char *parameters)
{
        op->error = error;
        free(op->error_parameters);
        op->error_parameters = parameters;
        if (op->instance && error != PROTO_PERMISSION_DENIED)
                op->instance->errors++;
        op_done(op);
}

void op_fail_output(struct op *op, enum proto_error error, struct output *output)
{
        output_bytes(output, "", 1);
        if (output->failed) {
                output_done(output);
                /* An error without what it says would be a wrong answer. */
                if (op->client)
                        op->client->gone = true;
        }
        op_fail(op, error, TAKE_PTR(output->data));
}

static void put_member(struct output *output, const char *name, const char *value)
{
        output_text(output, output_pending(output) ? "," : "{");
        output_string(output, name);
        output_text(output, ":");
        output_string(output, value);
}

void op_fail_with_two(struct op *op, enum proto_error error, const char *name, const char *value,
        const char *name_2, const char *value_2)
{
        struct output output = {0};

        put_member(&output, name, value);
        if (name_2)
                put_member(&output, name_2, value_2);
        output_text(&output, "}");
        op_fail_output(op, error, &output);
}

void op_fail_with(struct op *op, enum proto_error error, const char *name, const char *value)
{
        op_fail_with_two(op, error, name, value, NULL, NULL);
}

void op_invalid(struct op *op, const char *parameter)
{
        op_fail_with(op, PROTO_INVALID_PARAMETER, "parameter", parameter);
}

/* ---- denials ---- */

static void log_denial(const struct op *op, const char *operation)
{
        unsigned n_dropped;

        if (!log_may(&op->broker->denial_rate, op->received_usec, LOG_MAX, &n_dropped))
                return;
        if (n_dropped > 0)
                log_notice("%u other requests were denied", n_dropped);
        log_notice("denied: %s, to %s%s (uid %u, pid %d)", operation,
                op->instance ? "instance " : "a caller of no instance",
                op->instance ? op->instance->name : "", (unsigned)op->caller->uid, (int)op->caller->pid);
}

void op_denied(struct op *op, const char *operation)
{
        if (op->instance)
                op->instance->denied++;
        else
                op->broker->strangers_denied++;
        if (op->caller->account)
                op->caller->account->n_denied++;
        op->denied = operation;
        log_denial(op, operation);
        op_fail_with(op, PROTO_PERMISSION_DENIED, "operation", operation);
}

bool op_is_for_audit_key(const struct op *op)
{
        /* What neither uses a key nor changes what bears its name. Every other right, also one to come, is refused. Of those that
         * generate, Rename alone is about a key that is there. */
        const unsigned harmless = RIGHT_LIST | RIGHT_VERIFY | RIGHT_RANDOM | RIGHT_CHECK;
        const struct entry *entry = op->entry;

        if (!op->token || !op->method ||
                !(op->method->right & ~(entry ? harmless : harmless | RIGHT_GENERATE)))
                return false;
        /* What bears the name, or what is to bear it. */
        if ((entry && audit_key_names(op->broker, op->token, entry)) ||
                (op->nickname && audit_key_is_named(op->broker, op->token, op->nickname)))
                return true;
        return entry && entry->kind == OBJECT_KEY &&
               audit_key_is_same(op->broker, (struct der){entry->der, entry->der_length});
}

bool op_may(struct op *op, unsigned right)
{
        const struct config_instance *policy = op_policy(op);

        if (policy && (policy->allow & right) && !op_is_for_audit_key(op))
                return true;
        op_denied(op, config_right_name(right));
        return false;
}

void op_fail_unrecorded(struct op *op)
{
        const struct audit *audit = op->broker->audit;

        op_fail_with(op, PROTO_AUDIT_UNAVAILABLE, "reason",
                audit->reason[0] ? audit->reason : "the record could not be kept in time");
}

/* ---- what an end means ---- */

/* A death that the supervisor has not told of yet counts. */
static void fail_unavailable(struct op *op, const struct token *token)
{
        struct output output = {0};

        put_member(&output, "token", token->name);
        put_member(&output, "state",
                token_state_name(token->state == TOKEN_READY ? TOKEN_RECOVERING : token->state));
        put_member(&output, "reason", token->reason);
        output_text(&output, "}");
        op_fail_output(op, PROTO_TOKEN_UNAVAILABLE, &output);
}

static void fail_late(struct op *op, const struct token *token)
{
        struct output output = {0};

        /* Each time that a worker had it counts, an accelerator's too. A claim of another host kept it from being done. */
        put_member(&output, "token", token->name);
        output_format(&output, ",\"executed\":%s}", op->attempt > op->n_claimed ? "true" : "false");
        op_fail_output(op, PROTO_DEADLINE_EXCEEDED, &output);
}

static void fail_overloaded(struct op *op, const struct token *token, unsigned retry_ms)
{
        struct output output = {0};

        put_member(&output, "token", token ? token->name : "");
        output_format(&output, ",\"retryAfterMs\":%u}", retry_ms);
        op_fail_output(op, PROTO_OVERLOADED, &output);
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
                op_invalid(op, "id");
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

/* The worker refused a parameter of the method. If it does not say which, the method knows. */
static void fail_invalid(struct op *op)
{
        const char *parameter = op->invalid ? op->invalid : "message";

        for (size_t i = 0; op->refused && i < op->method->n_fields; i++)
                if (strcmp(op->method->fields[i].name, op->refused) == 0)
                        parameter = op->method->fields[i].name;
        if (op->refused && strcmp(op->refused, "certificate") == 0)
                op_fail_with(op, PROTO_NOT_A_CERTIFICATE, "reason", op->text ? op->text : "");
        else
                op_invalid(op, parameter);
}

static const char *operation_name(const struct op *op)
{
        return op->method->right ? config_right_name(op->method->right) : "remove-claim";
}

/* What a sealed key may be for has the same words as Allow=. */
static void fail_denied(struct op *op)
{
        unsigned usage = op->end == END_NOT_ITS_USAGE && op->text ? usage_from_name(op->text) : 0;

        op_denied(op, usage ? usage_name(usage) : operation_name(op));
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
                op_fail_with_two(
                        op, PROTO_ALGORITHM_NOT_SUPPORTED, "key", op->key, "algorithm", op->algorithm);
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

/* ---- the reply ---- */

static void put_error(const struct op *op, struct output *output)
{
        const char *interface = "org.varlink.service";

        if (!proto_error_is_service(op->error) && op->method)
                interface = op->method->interface;
        output_format(output, "{\"error\":\"%s.%s\",\"parameters\":", interface, proto_error_name(op->error));
        output_text(output, op->error_parameters ? op->error_parameters : "{}");
        output_bytes(output, "}", 2);
}

enum render op_render(struct op *op, struct output *output)
{
        size_t before = output_pending(output);
        enum render more = RENDER_LAST;

        /* One reply at most would be of use to nobody; a stream to nobody must not go on. */
        if (op->oneway)
                return RENDER_LAST;
        output->secret |= op->method && op->method->secret;
        if (op->error == PROTO_OK) {
                output_text(output, "{\"parameters\":");
                if (op->method->render)
                        more = op->method->render(op, output);
                else
                        output_text(output, "{}");
                if (more != RENDER_FAILED) {
                        output_text(output, more == RENDER_LAST ? "" : ",\"continues\":true");
                        output_bytes(output, "}", 2);
                        return more;
                }
                output->end = output->begin + before;
        }
        put_error(op, output);
        return RENDER_LAST;
}
