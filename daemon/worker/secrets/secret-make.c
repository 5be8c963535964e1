/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SEALED_GENERATE: a new key that lies nowhere. Called by a session thread through operation_run(); may run twice, because
 * nothing of it stays on the token.
 */
#include <string.h>

#include "daemon/util/spki.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/secrets/secret-use.h"

/* As generate.c: a token may fail at two generations at once. */
static int make_secret(struct session *session, const struct secret_shape *shape, CK_OBJECT_HANDLE *ret)
{
        CK_MECHANISM mechanism = {secret_type_info(shape->type)->generator, NULL, 0};
        struct secret_template template;
        int r;

        secret_template(&template, shape, true);
        pthread_mutex_lock(&session->token->create_lock);
        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        r = P11(session, C_GenerateKey, session->handle, &mechanism, template.attributes, template.n, ret);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        pthread_mutex_unlock(&session->token->create_lock);
        return r;
}

static int make_pair(struct session *session, const struct secret_shape *shape, CK_OBJECT_HANDLE *public,
        CK_OBJECT_HANDLE *private)
{
        static const CK_BYTE exponent[] = {0x01, 0x00, 0x01};
        CK_MECHANISM mechanism = {secret_type_info(shape->type)->generator, NULL, 0};
        CK_ULONG bits = shape->size;
        struct der params = spki_curve_params(shape->size);
        CK_ATTRIBUTE for_public[] = {
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, false),
                {CKA_MODULUS_BITS, &bits, sizeof(bits)},
                ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)),
        };
        CK_ULONG n_public = ARRAY_SIZE(for_public);
        struct secret_template template;
        int r;

        if (shape->type == SECRET_EC)
                for_public[--n_public - 1] = (CK_ATTRIBUTE)ATTRIBUTE_BYTES(CKA_EC_PARAMS, params);
        secret_template(&template, shape, false);
        /* Class and type follow from the mechanism: some tokens refuse them here. */
        pthread_mutex_lock(&session->token->create_lock);
        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        r = P11(session, C_GenerateKeyPair, session->handle, &mechanism, for_public, n_public,
                template.attributes + 2, template.n - 2, public, private);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        pthread_mutex_unlock(&session->token->create_lock);
        return r;
}

static int seal_pair(struct operation *operation, const struct message_sealed_generate *message,
        const struct secret_shape *shape)
{
        _cleanup_(object_freep) struct object *object = NULL;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE public, private;
        int r = make_pair(session, shape, &public, &private);

        if (r != 0)
                return r;
        r = object_read(session, CKO_PUBLIC_KEY, public, &object);
        session_destroy(session, public);
        if (r == 0 && !object->der)
                r = operation_refused(
                        operation, CKR_ATTRIBUTE_VALUE_INVALID, "the token does not show the public key");
        if (r == 0)
                return seal_close(operation, message->instance, message->again, private, shape,
                        wire_bytes(object->der, object->der_length), "template");
        session_destroy(session, private);
        return r;
}

int sealed_generate_attempt(struct operation *operation, const void *request)
{
        const struct message_sealed_generate *message = request;
        const struct slot_token *token = operation->session->token;
        struct secret_shape shape;
        CK_OBJECT_HANDLE handle;
        struct seal_keys keys;
        bool is_private;
        int r = used_shape(operation, message->type, message->size, message->usage, &shape);

        if (r == 0 && (shape.size == 0 || (shape.type == SECRET_RSA && shape.size < LIMIT_RSA_BITS_MIN)))
                return operation_invalid(operation, "template", "a key of %u bits is not made", shape.size);
        if (r != 0)
                return r;
        is_private = secret_type_info(shape.type)->is_private;
        if (!slot_token_can(token, secret_type_info(shape.type)->generator,
                    is_private ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token cannot generate keys of this type");
        /* Before a key is made that takes long. */
        r = seal_keys_get(operation, message->instance, message->again, &keys);
        if (r != 0 || is_private)
                return r == 0 ? secret_unmade(operation, seal_pair(operation, message, &shape)) : r;
        r = make_secret(operation->session, &shape, &handle);
        if (r != 0)
                return secret_unmade(operation, r);
        return seal_close(operation, message->instance, message->again, handle, &shape, wire_bytes(NULL, 0),
                "template");
}
