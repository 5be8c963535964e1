/* SPDX-License-Identifier: MPL-2.0 */
/*
 * WRAP: a sealed key leaves, wrapped by another key. A key that lies on the token never does. Called by a session thread through
 * operation_run(); changes nothing.
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/secrets/secret-use.h"

/* The public key that wraps, as a session object; the caller destroys it. */
static int create_public(struct operation *operation, struct wire_bytes spki, CK_OBJECT_HANDLE *ret)
{
        struct session *session = operation->session;
        struct der whole = {spki.data, spki.length}, key = {0}, modulus, exponent;
        unsigned bits = 0;

        if (!spki_bits(whole, &key))
                return operation_invalid(operation, "publicKey", "expected a SubjectPublicKeyInfo");
        if (spki_key_type(whole, &bits, &key) != KEY_RSA)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the public key is not RSA");
        if (!spki_rsa(key, &modulus, &exponent) || bits > 8 * LIMIT_SIGNATURE)
                return operation_invalid(operation, "publicKey", "expected an RSA public key");
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, CKK_RSA),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, false),
                ATTRIBUTE_BOOL(CKA_WRAP, true),
                ATTRIBUTE_BYTES(CKA_MODULUS, modulus),
                ATTRIBUTE_BYTES(CKA_PUBLIC_EXPONENT, exponent),
        };
        return secret_blame(operation,
                P11(session, C_CreateObject, session->handle, template, ARRAY_SIZE(template), ret),
                "publicKey");
}

static int wrap_with(struct operation *operation, struct used_mechanism *mechanism, CK_OBJECT_HANDLE wrapping,
        const struct opened_key *secret)
{
        struct session *session = operation->session;
        struct result *result = &operation->result;
        CK_ULONG length = LIMIT_WRAPPED;
        int r = secret_blame(operation,
                P11(session, C_WrapKey, session->handle, &mechanism->mechanism, wrapping, secret->handle,
                        result->payload, &length),
                "secret");

        if (r == 0 && length > LIMIT_WRAPPED)
                return session_fail(session, CKR_WRAPPED_KEY_LEN_RANGE, "C_WrapKey");
        if (r == 0)
                result->payload_length = length;
        return r;
}

static int wrap_by_public(struct operation *operation, const struct message_wrap *message,
        struct used_mechanism *mechanism, const struct opened_key *secret)
{
        CK_OBJECT_HANDLE public;
        int r;

        if (mechanism->info->key_types != SECRET_BIT(SECRET_RSA))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        r = create_public(operation, message->spki, &public);
        if (r != 0)
                return r;
        r = wrap_with(operation, mechanism, public, secret);
        session_destroy(operation->session, public);
        return r;
}

static int wrap_by_key(struct operation *operation, const struct message_wrap *message,
        struct used_mechanism *mechanism, const struct opened_key *secret)
{
        struct used_key key;
        int r;

        if (mechanism->info->key_types == SECRET_BIT(SECRET_RSA))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "a public key wraps so");
        do {
                r = used_key_find(operation, mechanism->info, message->instance, message->sealed,
                        message->key, USAGE_WRAP, &key);
                if (r != 0)
                        return r;
                r = wrap_with(operation, mechanism, key.handle, secret);
        } while (!used_key_is_still(operation, &key));
        return r;
}

int wrap_attempt(struct operation *operation, const void *request)
{
        const struct message_wrap *message = request;
        const struct used_parameters parameters = {.iv = message->iv, .label = message->label};
        struct used_mechanism mechanism;
        struct opened_key secret;
        bool is_private;
        int r = used_mechanism_init(
                operation, &mechanism, message->algorithm, DOES_WRAP, CKF_WRAP, &parameters);

        if (r == 0)
                r = seal_open(operation, message->instance, message->secret, "secret", 0, &secret);
        if (r != 0)
                return r;
        is_private = secret_type_info(secret.type)->is_private;
        if ((is_private && !mechanism.info->wraps_private) ||
                (!is_private && secret.size % mechanism.info->unit != 0))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "%s does not wrap such a key", mechanism.info->name);
        return message->spki.length > 0 ? wrap_by_public(operation, message, &mechanism, &secret)
                                        : wrap_by_key(operation, message, &mechanism, &secret);
}
