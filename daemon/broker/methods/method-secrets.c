/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Secrets: what makes and deletes keys, Generate and Delete. */
#include <string.h>
#include <sys/random.h>

#include "daemon/broker/methods/sealed-steps.h"
#include "daemon/broker/model/audit-key.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/text.h"
#include "daemon/util/unnamed.h"

/* Bytes of a CKA_ID that nobody else uses. */
#define ID_LENGTH 16U

/* ---- Generate ---- */

static bool may_generate(struct op *op)
{
        if (!op_may(op, RIGHT_GENERATE))
                return false;
        /* The name of the audit's key is kept for that key, which a secret would keep from being made. */
        if (!op->nickname)
                return true;
        if (!policy_sees_nickname(op_policy(op), op->nickname))
                return op_denied(op, config_right_name(RIGHT_GENERATE), DENIAL_NOT_THIS_KEY);
        return !audit_key_is_named(op->broker, op->token, op->nickname) ||
               op_denied(op, config_right_name(RIGHT_GENERATE), DENIAL_AUDIT_KEY);
}

/* What it is to be called, in op->buffer; the client's id, or one that nobody else has. */
static bool make_id(struct op *op, const char *given, size_t n)
{
        op->buffer = malloc(n);
        if (!op->buffer)
                return false;
        return given ? text_unhex(given, n, op->buffer) : getrandom(op->buffer, n, 0) == (ssize_t)n;
}

/* On the token. */
static void generate_permanent(struct op *op, const struct wanted_key *wanted, const char *id)
{
        const struct directory *directory = op->token->directory;
        size_t n = id ? strlen(id) / 2 : ID_LENGTH;

        if (directory_nickname(directory, op->nickname, NULL)) {
                op_refuse(op, END_NICKNAME_EXISTS);
                return;
        }
        if (!make_id(op, id, n)) {
                op_refuse(op, END_NO_MEMORY);
                return;
        }
        if (directory_id(directory, op->buffer, n, NULL)) {
                op_invalid(op, "id", "another object of the token has it");
                return;
        }
        op->kind = MESSAGE_TYPE_SECRET_GENERATE;
        op->input.secret_generate = (struct message_secret_generate){.nickname = op->nickname,
                .id = wire_bytes(op->buffer, n),
                .type = wanted->type,
                .size = wanted->size,
                .usage = wanted->usage};
        op_submit(op, op_finish);
}

static void generate_sealed(struct op *op, const struct wanted_key *wanted)
{
        struct token *token = op->token;
        struct sealed_names names;

        if (!op_take_sealed(op, NULL, NULL, &names))
                return;
        op->token = token;
        op->key = "";
        op->kind = MESSAGE_TYPE_SEALED_GENERATE;
        op->input.sealed_generate = (struct message_sealed_generate){.instance = names.instance,
                .type = wanted->type,
                .size = wanted->size,
                .usage = wanted->usage};
        op_submit(op, op_finish_sealed);
}

/* Whether what has a nickname may lie on a token; else the op has failed. */
static bool can_be_permanent(
        struct op *op, const struct secrets_generate_parameters *p, const struct wanted_key *wanted)
{
        uint8_t id[LIMIT_NEW_ID_DIGITS / 2];

        if (!p->nickname)
                return !p->id || op_invalid(op, "id", "a sealed key has none");
        if (!nickname_may_be_given(p->nickname))
                return op_invalid(op, "nickname", NICKNAME_REASON);
        if (p->id && (strlen(p->id) % 2 != 0 || !text_unhex(p->id, strlen(p->id) / 2, id)))
                return op_invalid(op, "id", "expected an even number of hexadecimal digits");
        if (secret_type_info(wanted->type)->is_private)
                return op_invalid(
                        op, "template", "type: a pair on the token is made by io.tokend.Keys.Generate");
        return wanted->usage != 0 ||
               op_invalid(op, "template", "usage: a key that can do nothing is not made");
}

void secrets_generate(struct op *op)
{
        const struct secrets_generate_parameters *p = (void *)op->parameters;
        struct wanted_key wanted;

        if (!op_take_template(op, &p->template, true, &wanted) || !can_be_permanent(op, p, &wanted) ||
                !op_find_token(op, p->token))
                return;
        op->key = p->nickname ? p->nickname : "";
        op->nickname = p->nickname;
        op->algorithm = p->template.type;
        op->invalid = "template";
        op->deadline_usec =
                op->received_usec + (p->timeout_ms ? (uint64_t)p->timeout_ms * USEC_PER_MSEC
                                                   : op->token->config->generate_timeout_usec +
                                                             DEFAULT_GENERATE_EXTRA_MS * USEC_PER_MSEC);
        if (!may_generate(op) || !op_find_directory(op, secrets_generate))
                return;
        if (!token_has_mechanism(op->token, secret_type_info(wanted.type)->generator))
                op_refuse(op, END_NOT_SUPPORTED);
        else if (p->nickname)
                generate_permanent(op, &wanted, p->id);
        else
                generate_sealed(op, &wanted);
}

enum render secrets_generate_render(struct op *op, struct output *output)
{
        struct secrets_generate_reply reply = {0};
        struct wire_bytes public = {0};

        if (op->made) {
                reply.secret = (struct output_part){entry_put, op->made};
        } else if (op_put_sealed(op, &public)) {
                reply.sealed = op->reply_text;
                reply.public_key = public.length > 0 ? &public : NULL;
        } else {
                output->failed = true;
        }
        secrets_generate_reply_put(output, &reply);
        return RENDER_LAST;
}

/* ---- Delete ---- */

void secrets_delete(struct op *op)
{
        const struct secrets_delete_parameters *p = (void *)op->parameters;

        if (!op_find_secret(op, p->secret, "secret", secrets_delete) || !op_may(op, RIGHT_DELETE))
                return;
        op->invalid = "secret";
        op->algorithm = "";
        op->kind = MESSAGE_TYPE_SECRET_DELETE;
        op_submit(op, op_finish);
}
