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
        if (!op->nickname || (policy_sees_nickname(op_policy(op), op->nickname) &&
                                     !audit_key_is_named(op->broker, op->token, op->nickname)))
                return true;
        op_denied(op, config_right_name(RIGHT_GENERATE));
        return false;
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
                op_invalid(op, "id");
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

void secrets_generate(struct op *op)
{
        const struct secrets_generate_parameters *p = (void *)op->parameters;
        uint8_t id[LIMIT_NEW_ID_DIGITS / 2];
        struct wanted_key wanted;
        const char *bad = take_template(&p->template, true, &wanted);

        if (!bad && p->nickname && !nickname_may_be_given(p->nickname))
                bad = "nickname";
        if (!bad && p->id &&
                (!p->nickname || strlen(p->id) % 2 != 0 || !text_unhex(p->id, strlen(p->id) / 2, id)))
                bad = "id";
        /* The two halves of a pair on the token are io.tokend.Keys.Generate's; a key that can do nothing is not made. */
        if (!bad && p->nickname && (secret_type_info(wanted.type)->is_private || wanted.usage == 0))
                bad = "template";
        if (bad) {
                op_invalid(op, bad);
                return;
        }
        if (!op_find_token(op, p->token))
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
