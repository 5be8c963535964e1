/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SECRET_DERIVE: a key is made of another one, and leaves as a sealed one. What would need bytes that are not there is refused here:
 * tokens differ in what they do then. Called by a session thread through operation_run(); may run twice.
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/secrets/secret-use.h"

struct deriving {
        const struct message_secret_derive *message;
        const struct secret_algorithm_info *info;
        struct secret_shape shape;
        struct used_key key;
        struct opened_key other;
        struct der point;
        unsigned point_bits;
};

/* The peer's point: a SubjectPublicKeyInfo, or the point itself, not compressed. */
static bool take_point(struct deriving *deriving)
{
        struct wire_bytes given = deriving->message->spki;
        struct der spki = {given.data, given.length};

        if (spki_key_type(spki, &deriving->point_bits, &deriving->point) != KEY_EC) {
                deriving->point = spki;
                deriving->point_bits = deriving->key.size;
        }
        return deriving->point_bits == deriving->key.size &&
               deriving->point.length == 1 + 2 * ((deriving->key.size + 7U) / 8U) &&
               deriving->point.data[0] == 4;
}

static int check_sizes(struct operation *operation, struct deriving *deriving)
{
        const struct message_secret_derive *message = deriving->message;
        size_t size = deriving->shape.size, there;

        switch (deriving->info->form) {
        case FORM_DATA:
                if (message->data.length == 0 || message->data.length > LIMIT_DERIVE_DATA ||
                        message->data.length % deriving->info->unit != 0)
                        return operation_invalid(operation, "data", "expected blocks of %zu bytes, found %zu",
                                deriving->info->unit, message->data.length);
                there = message->data.length;
                break;
        case FORM_BIT:
                there = 0;
                if (message->bit / 8 < deriving->key.size)
                        there = (8 * (size_t)deriving->key.size - message->bit) / 8;
                if (there < size)
                        return operation_invalid(operation, "bit", "from there the key has %zu bytes", there);
                break;
        case FORM_KEY:
                there = (size_t)deriving->key.size + deriving->other.size;
                break;
        default:
                if (!take_point(deriving))
                        return operation_invalid(
                                operation, "publicKey", "expected a point of the key's curve");
                there = (deriving->key.size + 7U) / 8U;
                /* Tokens do not agree on which end is cut off. */
                if (size < there)
                        there = 0;
        }
        if (there < size)
                return operation_invalid(operation, "template", "there are no %zu bytes for the key", size);
        return 0;
}

static int derive(struct operation *operation, struct deriving *deriving, struct used_mechanism *mechanism)
{
        const struct message_secret_derive *message = deriving->message;
        struct session *session = operation->session;
        struct secret_template template;
        CK_OBJECT_HANDLE handle;
        int r;

        secret_template(&template, &deriving->shape, true);
        r = secret_blame(operation,
                P11(session, C_DeriveKey, session->handle, &mechanism->mechanism, deriving->key.handle,
                        template.attributes, template.n, &handle),
                deriving->info->form == FORM_ECDH ? "publicKey" : "template");
        if (r != 0)
                return r;
        r = secret_check(operation, handle, &deriving->shape, "template");
        if (r == 0)
                return seal_close(operation, message->instance, message->again, handle, &deriving->shape,
                        wire_bytes(NULL, 0), "template");
        session_destroy(session, handle);
        return r;
}

static bool copies_bytes(const struct secret_algorithm_info *info)
{
        return info->form == FORM_BIT || info->form == FORM_KEY;
}

static int find_keys(struct operation *operation, struct deriving *deriving)
{
        const struct message_secret_derive *message = deriving->message;
        int r = used_key_find(operation, deriving->info, message->instance, message->sealed, message->key,
                USAGE_DERIVE, &deriving->key);

        /* Such a key would have the bytes of the one on the token, which must not leave it. Tokens look at CKA_EXTRACTABLE alone. */
        if (r == 0 && deriving->key.is_permanent && copies_bytes(deriving->info))
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "a key that lies on a token leaves it in no other key");
        if (r == 0 && deriving->info->form == FORM_KEY)
                r = seal_open(operation, message->instance, message->other, "other", USAGE_DERIVE,
                        &deriving->other);
        if (r == 0 && deriving->info->form == FORM_KEY && secret_type_info(deriving->other.type)->is_private)
                r = operation_answer(operation, REPLY_NOT_SUPPORTED, "a private key cannot be appended");
        return r;
}

static int begin(struct operation *operation, struct deriving *deriving)
{
        const struct message_secret_derive *message = deriving->message;
        struct seal_keys keys;
        int r = used_shape(operation, message->type, message->size, message->usage, &deriving->shape);

        if (r != 0)
                return r;
        deriving->info = secret_algorithm_info(message->algorithm);
        if (!deriving->info || secret_type_info(deriving->shape.type)->is_private)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "no such key can be derived");
        return seal_keys_get(operation, message->instance, message->again, &keys);
}

int secret_derive_attempt(struct operation *operation, const void *request)
{
        const struct message_secret_derive *message = request;
        struct deriving deriving = {.message = message};
        struct used_mechanism mechanism;
        int r = begin(operation, &deriving);

        /* Whether the token can, before any key is opened. */
        if (r == 0)
                r = used_mechanism_init(operation, &mechanism, message->algorithm, DOES_DERIVE, CKF_DERIVE,
                        &(struct used_parameters){0});
        while (r == 0) {
                r = find_keys(operation, &deriving);
                if (r == 0)
                        r = check_sizes(operation, &deriving);
                if (r != 0)
                        return r;
                r = used_mechanism_init(operation, &mechanism, message->algorithm, DOES_DERIVE, CKF_DERIVE,
                        &(struct used_parameters){.data = message->data,
                                .bit = message->bit,
                                .key = deriving.other.handle,
                                .point = wire_bytes(deriving.point.data, deriving.point.length)});
                if (r == 0)
                        r = derive(operation, &deriving, &mechanism);
                if (used_key_is_still(operation, &deriving.key))
                        return r;
                operation->result.payload_length = 0;
        }
        return r;
}
