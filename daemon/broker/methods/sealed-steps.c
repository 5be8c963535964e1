/* SPDX-License-Identifier: MPL-2.0 */
/* See sealed-steps.h. */
#include "daemon/broker/methods/sealed-steps.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "gen/proto/enums.h"
#include "proto/base64.h"

#define PREFIX_LENGTH (sizeof(SEALED_PREFIX) - 1)
/* `sealed:`, the fingerprint and a NUL. */
#define TEXT_SIZE (PREFIX_LENGTH + 2 * (size_t)SEALED_FINGERPRINT + 1)
/* "sealed:", the bytes of both keys in one buffer, what they are called, and the name of the instance. */
#define NAME_SIZE 65U

/* ---- names ---- */

static bool is_sealed(const char *name)
{
        return name && strncmp(name, SEALED_PREFIX, PREFIX_LENGTH) == 0;
}

static bool not_ours(struct op *op, const struct token *token)
{
        op_fail_with(op, PROTO_NOT_OUR_SEAL, "token", token ? token->name : "");
        return false;
}

/* Decodes it to *at, and moves that behind it. 1: it is no base64, or too long; -ENOMEM. */
static int decode(const char *name, unsigned char **at, struct wire_bytes *ret)
{
        size_t length = strlen(name) - PREFIX_LENGTH, n;
        unsigned char *bytes;
        int r;

        /* Before memory is taken. */
        if (length > BASE64_LENGTH((size_t)LIMIT_SEALED))
                return 1;
        r = base64_decode(name + PREFIX_LENGTH, length, &bytes, &n);
        if (r < 0)
                return r == -ENOMEM ? r : 1;
        if (n <= LIMIT_SEALED) {
                memcpy(*at, bytes, n);
                *ret = wire_bytes(*at, n);
                *at += n;
        }
        free(bytes);
        return n > LIMIT_SEALED;
}

/* The token that the key was sealed on, if the caller may see it, and the key was sealed for it. NULL: neither. */
static struct token *token_of(const struct op *op, struct wire_bytes bytes)
{
        const struct config_instance *policy = op_policy(op);
        const struct config_token *config;
        struct sealed sealed;

        if (!sealed_parse(bytes, &sealed) || strcmp(sealed.instance, policy->name) != 0)
                return NULL;
        config = config_token(op->broker->config, sealed.token);
        return config && policy_sees_token(policy, config) ? registry_token(op->broker, config->name) : NULL;
}

static int read_names(struct op *op, const char *key, const char *other, struct sealed_names *names)
{
        unsigned char *at;
        int r = 0;

        if (!op->buffer) {
                op->buffer = malloc(2 * LIMIT_SEALED + 2 * TEXT_SIZE + NAME_SIZE);
                if (!op->buffer)
                        return -ENOMEM;
                op_charge(op, 2 * LIMIT_SEALED);
        }
        at = op->buffer + 2 * TEXT_SIZE + NAME_SIZE;
        if (is_sealed(key))
                r = decode(key, &at, &names->key);
        if (r == 0 && is_sealed(other))
                r = decode(other, &at, &names->other);
        return r;
}

/* The texts lie before the keys. */
static void put_texts(struct op *op, struct sealed_names *names)
{
        char *key = (char *)op->buffer, *other = key + TEXT_SIZE, *instance = other + TEXT_SIZE;

        memcpy(key, SEALED_PREFIX, PREFIX_LENGTH);
        sealed_fingerprint(names->key, key + PREFIX_LENGTH);
        sealed_fingerprint(names->other, other);
        snprintf(instance, NAME_SIZE, "%s", op_policy(op)->name);
        names->instance = instance;
        names->key_text = names->key.length > 0 ? key : NULL;
        names->other_text = names->other.length > 0 ? other : NULL;
}

bool op_take_sealed(struct op *op, const char *key, const char *other, struct sealed_names *ret)
{
        struct sealed_names names = {0};
        struct token *token = NULL, *own;
        int r;

        /* The caller's own, for the error. */
        if (!op_find_token(op, NULL))
                return false;
        own = op->token;
        op->key = key && !is_sealed(key) ? key : SEALED_PREFIX;
        r = read_names(op, key, other, &names);
        if (r < 0) {
                op_refuse(op, END_NO_MEMORY);
                return false;
        }
        put_texts(op, &names);
        if (names.key_text)
                op->key = names.key_text;
        op->sealed = names.other_text;
        if (r > 0)
                return not_ours(op, own);
        if (is_sealed(key)) {
                token = token_of(op, names.key);
                if (!token)
                        return not_ours(op, own);
        }
        if (is_sealed(other)) {
                struct token *others = token_of(op, names.other);

                if (!others || (token && others != token))
                        return not_ours(op, token ? token : own);
                token = others;
        }
        if (token)
                op->token = token;
        *ret = names;
        return true;
}

bool op_find_used(struct op *op, const char *name, enum object_kind of, const struct sealed_names *names,
        void (*again)(struct op *op))
{
        struct token *token = names->other.length > 0 ? op->token : NULL;

        if (names->key.length > 0)
                return true;
        if (strlen(name) > LIMIT_NAME)
                return op_invalid(op, "key", "it is too long for the name of a key on a token");
        if (!(of == OBJECT_KEY ? op_find_key : op_find_secret)(op, name, "key", again))
                return false;
        return !token || token == op->token || not_ours(op, op->token);
}

/* ---- templates ---- */

static bool take_usage(struct json_object *array, unsigned allowed, uint32_t *ret)
{
        uint32_t usage = 0;

        for (size_t i = 0; i < json_object_array_length(array); i++) {
                unsigned bit = usage_from_name(json_object_get_string(json_object_array_get_idx(array, i)));

                if (!(bit & allowed))
                        return false;
                usage |= bit;
        }
        *ret = usage;
        return true;
}

/* Of a private key; 0: it is not given, and need not be. */
static bool take_bits(
        const struct secrets_template_parameters *template, unsigned type, bool makes, uint32_t *ret)
{
        bool rsa = type == SECRET_RSA;

        if (template->length > 0 || (rsa ? template->curve != NULL : template->size > 0))
                return false;
        *ret = rsa ? (uint32_t) template->size : template->curve ? curve_from_name(template->curve) : 0;
        if (template->curve && *ret == 0)
                return false;
        if (makes && *ret == 0)
                *ret = rsa ? DEFAULT_RSA_BITS : DEFAULT_EC_BITS;
        if (makes && rsa && (*ret < LIMIT_RSA_BITS_MIN || *ret % 8 != 0))
                return false;
        return *ret == 0 || secret_size_fits(type, *ret);
}

#define SIZE_REASON                                                                                          \
        "length: expected 16, 24 or 32 bytes (aes), 16 (des2), 24 (des3) or 1 to 512 (generic), without "    \
        "size and curve; "                                                                                   \
        "size: expected bits, a multiple of 8 (rsa); curve: secp256r1, secp384r1 or secp521r1 (ec); both "   \
        "without length"

bool op_take_template(
        struct op *op, const struct secrets_template_parameters *template, bool makes, struct wanted_key *ret)
{
        struct wanted_key wanted = {.type = (uint8_t)secret_type_from_name(template->type)};
        const struct secret_type_info *info = secret_type_info(wanted.type);
        bool fits;

        if (!info)
                return op_invalid(op, "template", "type: expected one of " SECRETS_SECRET_TYPE_WORDS);
        if (!take_usage(template->usage, info->usages, &wanted.usage))
                return op_invalid(op, "template",
                        "usage: expected words that such a key can have: of encrypt, decrypt, wrap, unwrap, "
                        "derive, sign");
        if (info->is_private) {
                fits = take_bits(template, wanted.type, makes, &wanted.size);
        } else {
                wanted.size = (uint32_t) template->length;
                if (wanted.size == 0 && wanted.type == SECRET_DES2)
                        wanted.size = 16;
                if (wanted.size == 0 && wanted.type == SECRET_DES3)
                        wanted.size = 24;
                fits = template->size == 0 && !template->curve && secret_size_fits(wanted.type, wanted.size);
        }
        *ret = wanted;
        return fits || op_invalid(op, "template", SIZE_REASON);
}

/* ---- replies ---- */

static struct wire_bytes sealed_of(struct wire_bytes payload, struct wire_bytes *ret_public)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)payload.data, .size = payload.length};
        struct wire_bytes sealed = wire_get_bytes(&wire);

        *ret_public = wire_get_bytes(&wire);
        return sealed;
}

bool op_put_sealed(struct op *op, struct wire_bytes *ret_public)
{
        struct wire_bytes sealed = sealed_of(wire_bytes(op->result, op->n_result), ret_public);

        if (!op->reply_text)
                op->reply_text = malloc(PREFIX_LENGTH + BASE64_LENGTH(sealed.length) + 1);
        if (!op->reply_text)
                return false;
        memcpy(op->reply_text, SEALED_PREFIX, PREFIX_LENGTH);
        base64_encode(sealed.data, sealed.length, op->reply_text + PREFIX_LENGTH);
        return true;
}

void op_finish_sealed(struct op *op)
{
        struct wire_bytes public;
        char *text = (char *)op->buffer + TEXT_SIZE;

        if (op->end == END_OK) {
                sealed_fingerprint(sealed_of(op->payload, &public), text);
                op->sealed = text;
        }
        op_finish_payload(op);
}
