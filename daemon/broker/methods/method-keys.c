/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Keys: Get, which asks the directory alone, and what changes a token: Generate, Delete and Rename. */
#include <string.h>
#include <sys/random.h>

#include "daemon/broker/accel/copies.h"
#include "daemon/broker/methods/steps.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/text.h"
#include "daemon/util/unnamed.h"
#include "gen/broker/methods/methods.h"
#include "gen/proto/enums.h"

/* Bytes of the random id that a pair has until the worker gives it NSS's. */
#define FRESH_ID 16U

/* ---- Get ---- */

void keys_get(struct op *op)
{
        const struct keys_get_parameters *p = (void *)op->parameters;

        if (op_find_key(op, p->key, "key", keys_get) && op_may(op, RIGHT_LIST))
                op_done(op);
}

enum render keys_get_render(struct op *op, struct output *output)
{
        keys_get_reply_put(output, &(struct keys_get_reply){{entry_put, op->entry}});
        return RENDER_LAST;
}

/* ---- Generate ---- */

static int parse_usage(struct json_object *array, unsigned key_type, uint32_t *ret)
{
        uint32_t usage = 0;

        if (!array) {
                *ret = USAGE_SIGN;
                return 0;
        }
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                unsigned bit = usage_from_name(json_object_get_string(json_object_array_get_idx(array, i)));

                if (!(bit & key_type_info(key_type)->usages))
                        return 1;
                usage |= bit;
        }
        if (usage == 0)
                return 1;
        *ret = usage;
        return 0;
}

/* The key that is asked for, but for its id and what follows from that; else the op has failed. */
static bool take_key(struct op *op, const struct keys_generate_parameters *p)
{
        struct message_generate *key = &op->input.generate;
        unsigned bits = 0;
        uint8_t id[LIMIT_NEW_ID];

        if (p->nickname && !nickname_may_be_given(p->nickname))
                return op_invalid(op, "nickname", NICKNAME_REASON);
        key->nickname = p->nickname;
        key->key_type = (uint8_t)key_type_from_name(p->type);
        if (key->key_type == 0)
                return op_invalid(op, "type", "expected one of " KEYS_KEY_TYPE_WORDS);
        if (p->size && (key->key_type != KEY_RSA || p->size % 8 != 0))
                return op_invalid(op, "size", "expected a multiple of 8, with type rsa alone");
        if (p->curve) {
                bits = curve_from_name(p->curve);
                if (key->key_type != KEY_EC || bits == 0 || bits == 255)
                        return op_invalid(op, "curve",
                                "expected one of secp256r1, secp384r1, secp521r1, with type ec alone");
        }
        if (parse_usage(p->usage, key->key_type, &key->usage) != 0)
                return op_invalid(op, "usage",
                        "expected one or more of sign, decrypt, unwrap (rsa), derive (ec), as the type can "
                        "do");
        if (p->id && (strlen(p->id) % 2 != 0 || !text_unhex(p->id, strlen(p->id) / 2, id)))
                return op_invalid(op, "id", "expected an even number of hexadecimal digits");
        key->fixed_id = p->id != NULL;
        key->loadable = p->loadable;
        if (key->key_type == KEY_RSA)
                key->size = p->size ? (uint32_t)p->size : DEFAULT_RSA_BITS;
        else if (key->key_type == KEY_EC)
                key->size = bits ? bits : DEFAULT_EC_BITS;
        else
                key->size = 255;
        return true;
}

/* A key without a nickname is its maker's, whatever Keys= says. */
static bool may_generate(struct op *op)
{
        if (!op_may(op, RIGHT_GENERATE))
                return false;
        if (!op->nickname || policy_sees_nickname(op_policy(op), op->nickname))
                return true;
        return op_denied(op, config_right_name(RIGHT_GENERATE), DENIAL_NOT_THIS_KEY);
}

/* The id, and the nickname of a key that is to have none yet, in op->buffer. */
static int make_names(struct op *op, const struct keys_generate_parameters *p)
{
        struct message_generate *key = &op->input.generate;
        size_t n = p->id ? strlen(p->id) / 2 : FRESH_ID;

        op->buffer = malloc(n + UNNAMED_SIZE);
        if (!op->buffer)
                return -ENOMEM;
        if (p->id)
                (void)text_unhex(p->id, n, op->buffer);
        else if (getrandom(op->buffer, n, 0) != (ssize_t)n)
                return -EIO;
        key->id = wire_bytes(op->buffer, n);
        if (!p->nickname) {
                key->nickname = (char *)op->buffer + n;
                unnamed_nickname(op_policy(op)->name, op->buffer, n, (char *)op->buffer + n);
        }
        return 0;
}

/* Its nickname and its id are free, as far as the directory knows, and the token can make it; else the op has failed. */
static bool can_generate(struct op *op, const struct keys_generate_parameters *p)
{
        const struct message_generate *key = &op->input.generate;
        const struct directory *directory = op->token->directory;

        if (!token_has_mechanism(op->token, key_type_info(key->key_type)->generator) ||
                (key->loadable && (!copies_can(op->token, key->key_type) || !(key->usage & USAGE_SIGN))))
                op_refuse(op, END_NOT_SUPPORTED);
        else if (p->nickname && directory_nickname(directory, p->nickname, NULL))
                op_refuse(op, END_NICKNAME_EXISTS);
        else if (make_names(op, p) < 0)
                op_refuse(op, END_NO_MEMORY);
        else if (p->id && directory_id(directory, key->id.data, key->id.length, NULL))
                op_invalid(op, "id", "another object of the token has it");
        else
                return true;
        return false;
}

void keys_generate(struct op *op)
{
        const struct keys_generate_parameters *p = (void *)op->parameters;

        if (!take_key(op, p) || !op_find_token(op, p->token))
                return;
        op->kind = MESSAGE_TYPE_GENERATE;
        op->nickname = p->nickname;
        op->key = p->nickname ? p->nickname : "";
        op->algorithm = p->type;
        op->invalid = "type";
        op->deadline_usec =
                op->received_usec + (p->timeout_ms ? (uint64_t)p->timeout_ms * USEC_PER_MSEC
                                                   : op->token->config->generate_timeout_usec +
                                                             DEFAULT_GENERATE_EXTRA_MS * USEC_PER_MSEC);
        /* Who may not make it learns nothing of the token, nor waits for it. */
        if (may_generate(op) && op_find_directory(op, keys_generate) && can_generate(op, p))
                op_submit(op, op_finish);
}

enum render keys_generate_render(struct op *op, struct output *output)
{
        keys_generate_reply_put(output, &(struct keys_generate_reply){{entry_put, op->made}});
        return RENDER_LAST;
}

/* ---- Delete ---- */

void keys_delete(struct op *op)
{
        const struct keys_delete_parameters *p = (void *)op->parameters;

        if (!op_find_key(op, p->key, "key", keys_delete) || !op_may(op, RIGHT_DELETE))
                return;
        op->invalid = "key";
        op->algorithm = "";
        op->kind = MESSAGE_TYPE_DELETE;
        op_submit(op, op_finish);
}

/* ---- Rename ---- */

void keys_rename(struct op *op)
{
        const struct keys_rename_parameters *p = (void *)op->parameters;

        if (!nickname_may_be_given(p->nickname)) {
                op_invalid(op, "nickname", NICKNAME_REASON);
                return;
        }
        op->invalid = "key";
        op->algorithm = "";
        op->deadline_usec = op->received_usec + (uint64_t)p->timeout_ms * USEC_PER_MSEC;
        if (!op_find_key(op, p->key, "key", keys_rename) || !op_may(op, RIGHT_GENERATE))
                return;
        if (!policy_sees_nickname(op_policy(op), p->nickname)) {
                op_denied(op, config_right_name(RIGHT_GENERATE), DENIAL_NOT_THIS_KEY);
                return;
        }
        /* A key that others do not find any more is deleted, for them. */
        if (policy_others_lose(
                    op->broker->config, op_policy(op), op->token->config, op->entry, p->nickname) &&
                !op_may(op, RIGHT_DELETE))
                return;
        if (op->entry->der_length == 0) {
                op_invalid(op, "key", NO_PUBLIC_REASON);
                return;
        }
        op->nickname = p->nickname;
        /* A key that others could use before does not become the audit's. */
        if (op_is_for_audit_key(op)) {
                op_denied(op, config_right_name(RIGHT_GENERATE), DENIAL_AUDIT_KEY);
                return;
        }
        if (directory_nickname(op->token->directory, p->nickname, NULL)) {
                op_refuse(op, END_NICKNAME_EXISTS);
                return;
        }
        op->kind = MESSAGE_TYPE_RENAME;
        /* Whoever gave its id means the key whatever it is called by then. */
        op->input.rename = (struct message_rename){
                .nickname = p->nickname, .was = name_is_uri(p->key) ? "" : op->entry->label};
        op_submit(op, op_finish);
}

enum render keys_rename_render(struct op *op, struct output *output)
{
        keys_rename_reply_put(output, &(struct keys_rename_reply){{entry_put, op->made}});
        return RENDER_LAST;
}
