/* SPDX-License-Identifier: MPL-2.0 */
/* See seal.h. */
#include "daemon/worker/secrets/seal.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/worker/device/attribute.h"

/* ---- the MAC ---- */

static int authenticate(struct session *session, const struct seal_keys *keys, struct wire_bytes bytes,
        uint8_t ret[static SEALED_MAC])
{
        CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
        CK_ULONG length = SEALED_MAC;
        int r = P11(session, C_SignInit, session->handle, &mechanism, keys->mac.handle);

        if (r == 0)
                r = P11(session, C_Sign, session->handle, (CK_BYTE_PTR)(uintptr_t)bytes.data, bytes.length,
                        ret, &length);
        if (r == 0 && length != SEALED_MAC)
                return session_fail(session, CKR_SIGNATURE_LEN_RANGE, "C_Sign");
        return r;
}

/* In a time that does not depend on where they differ. */
static bool is_same_mac(const uint8_t *a, const uint8_t *b)
{
        uint8_t difference = 0;

        for (size_t i = 0; i < SEALED_MAC; i++)
                difference |= a[i] ^ b[i];
        return difference == 0;
}

static int unwrap(struct operation *operation, const struct seal_keys *keys, const struct sealed *sealed,
        CK_OBJECT_HANDLE *ret)
{
        struct session *session = operation->session;
        CK_MECHANISM mechanism = seal_keys_mechanism(session->token);
        struct secret_shape shape = {.type = sealed->type, .usage = sealed->usage, .size = sealed->size};
        struct secret_template template;

        secret_template(&template, &shape, false);
        secret_template_point(session->token, &template, &shape, sealed->public);
        return P11(session, C_UnwrapKey, session->handle, &mechanism, keys->seal.handle,
                (CK_BYTE_PTR)(uintptr_t)sealed->wrapped.data, sealed->wrapped.length, template.attributes,
                template.n, ret);
}

/* ---- closing ---- */

/* The bytes that RFC 5649 makes of a key: a header, and the key up to the next 8 bytes. */
static bool has_length_of(const struct secret_shape *shape, size_t n_wrapped)
{
        return secret_type_info(shape->type)->is_private || n_wrapped == 8 + (shape->size + 7U) / 8U * 8U;
}

static int close_with(struct operation *operation, const struct seal_keys *keys, CK_OBJECT_HANDLE handle,
        const char *misfit, struct sealed *sealed, uint8_t *blob, size_t *ret_length)
{
        struct session *session = operation->session;
        CK_MECHANISM mechanism = seal_keys_mechanism(session->token);
        struct wire wire = {.data = blob, .size = LIMIT_SEALED - SEALED_MAC};
        uint8_t wrapped[LIMIT_WRAPPED];
        CK_ULONG length = sizeof(wrapped);
        int r = P11(
                session, C_WrapKey, session->handle, &mechanism, keys->seal.handle, handle, wrapped, &length);

        /* A token may take for a key what it does not wrap then (SoftHSM2). */
        if (misfit)
                r = secret_blame(operation, r, misfit);
        if (r != 0)
                return r;
        if (length > sizeof(wrapped))
                return session_fail(session, CKR_WRAPPED_KEY_LEN_RANGE, "C_WrapKey");
        sealed->wrapped = wire_bytes(wrapped, length);
        sealed_put(&wire, sealed);
        if (wire.bad)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the key is too long to be sealed");
        r = authenticate(session, keys, wire_bytes(blob, wire.at), blob + wire.at);
        *ret_length = wire.at + SEALED_MAC;
        return r;
}

static bool keys_are_still(struct operation *operation, const struct seal_keys *keys)
{
        return inventory_has_still(operation->inventory, &keys->seal) &&
               inventory_has_still(operation->inventory, &keys->mac);
}

static int close_object(struct operation *operation, const char *instance, bool again,
        CK_OBJECT_HANDLE handle, const struct secret_shape *shape, struct wire_bytes public,
        const char *misfit, uint8_t *blob, size_t *ret_length)
{
        struct sealed sealed = {.token = operation->session->token->config->name,
                .instance = instance,
                .type = (uint8_t)shape->type,
                .usage = shape->usage,
                .size = shape->size,
                .public = public};
        struct seal_keys keys;
        int r;

        do {
                r = seal_keys_get(operation, instance, again, &keys);
                if (r != 0)
                        return r;
                sealed.seal = wire_bytes(keys.seal_id, sizeof(keys.seal_id));
                sealed.mac = wire_bytes(keys.mac_id, sizeof(keys.mac_id));
                r = close_with(operation, &keys, handle, misfit, &sealed, blob, ret_length);
                /* Another key may have their handles by now. */
        } while (r == 0 && !keys_are_still(operation, &keys));
        return r;
}

/* A token may pad a key with zeros before it wraps it, so that a longer key comes back (SoftHSM). A key of whole words is safe; of
 * another one the token must say that as many bytes come back. */
static int check_length(struct operation *operation, const struct sealed *sealed)
{
        struct session *session = operation->session;
        CK_ULONG length = 0;
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_VALUE_LEN, &length, sizeof(length));
        CK_OBJECT_HANDLE handle;
        struct seal_keys keys;
        int r;

        if (secret_type_info(sealed->type)->is_private || sealed->size % 8 == 0)
                return 0;
        r = seal_keys_of(operation, sealed, &keys);
        if (r == 0)
                r = unwrap(operation, &keys, sealed, &handle);
        if (r != 0)
                return r;
        r = P11(session, C_GetAttributeValue, session->handle, handle, &attribute, 1);
        session_destroy(session, handle);
        if (r == 0 && length != sealed->size)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token seals no keys of %u bytes", sealed->size);
        return r;
}

int seal_close(struct operation *operation, const char *instance, bool again, CK_OBJECT_HANDLE handle,
        const struct secret_shape *shape, struct wire_bytes public, const char *misfit)
{
        struct result *result = &operation->result;
        struct wire wire = {.data = result->payload, .size = sizeof(result->payload)};
        uint8_t blob[LIMIT_SEALED];
        struct sealed sealed;
        size_t length = 0;
        int r = close_object(operation, instance, again, handle, shape, public,
                shape->came_in ? misfit : NULL, blob, &length);

        if (r == 0 && !sealed_parse(wire_bytes(blob, length), &sealed))
                r = -EBADMSG;
        /* A token may have made a key of another length than it was told. */
        if (r == 0 && !has_length_of(shape, sealed.wrapped.length))
                r = operation_invalid(operation, misfit, "the key does not have %u bytes", shape->size);
        if (r == 0)
                r = check_length(operation, &sealed);
        if (r != 0) {
                session_destroy(operation->session, handle);
                return r;
        }
        wire_put_bytes(&wire, wire_bytes(blob, length));
        wire_put_bytes(&wire, public);
        result->payload_length = wire.at;
        return opened_put(operation->session, wire_bytes(blob, length),
                &(struct opened_key){handle, shape->type, shape->usage, shape->size});
}

/* ---- opening ---- */

static int not_ours(struct operation *operation, const char *why)
{
        return operation_answer(operation, REPLY_NOT_OUR_SEAL, "%s", why);
}

int seal_not_its_usage(struct operation *operation, unsigned usage)
{
        return operation_answer(operation, REPLY_NOT_ITS_USAGE, "%s", usage_name(usage));
}

/* The handle stays as it is where the key is not authentic, or not by the keys that have these handles. */
static int open_with(struct operation *operation, const struct seal_keys *keys, const struct sealed *sealed,
        const char *parameter, CK_OBJECT_HANDLE *ret)
{
        uint8_t mac[SEALED_MAC];
        int r = authenticate(operation->session, keys, sealed->authentic, mac);

        if (r == 0 && !is_same_mac(mac, sealed->authentication))
                return 0;
        if (r == 0)
                r = unwrap(operation, keys, sealed, ret);
        /* The bytes of a secret cannot be wrong; those of a private key are what somebody wrapped, and may be rubbish. */
        return secret_type_info(sealed->type)->is_private ? secret_blame(operation, r, parameter) : r;
}

static int open_sealed(struct operation *operation, const char *instance, struct wire_bytes bytes,
        const char *parameter, struct opened_key *ret)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
        struct seal_keys keys;
        struct sealed sealed;
        int r;

        if (!sealed_parse(bytes, &sealed))
                return not_ours(operation, "expected a sealed key");
        if (strcmp(sealed.instance, instance) != 0 || strcmp(sealed.token, session->token->config->name) != 0)
                return not_ours(operation, "the key was sealed for another instance or token");
        do {
                session_destroy(session, handle);
                handle = CK_INVALID_HANDLE;
                r = seal_keys_of(operation, &sealed, &keys);
                if (r == 0)
                        r = open_with(operation, &keys, &sealed, parameter, &handle);
                if (r != 0)
                        return r;
        } while (!keys_are_still(operation, &keys));
        if (handle == CK_INVALID_HANDLE)
                return not_ours(operation, "the key was changed, or is not ours");
        *ret = (struct opened_key){handle, sealed.type, sealed.usage, sealed.size};
        return opened_put(session, bytes, ret);
}

int seal_open(struct operation *operation, const char *instance, struct wire_bytes bytes,
        const char *parameter, unsigned wanted, struct opened_key *ret)
{
        struct session *session = operation->session;
        struct sealed sealed;
        int r = 0;

        /* What is open is authentic, but may be another instance's. */
        if (!opened_find(session, bytes, ret))
                r = open_sealed(operation, instance, bytes, parameter, ret);
        else if (!sealed_parse(bytes, &sealed) || strcmp(sealed.instance, instance) != 0)
                return not_ours(operation, "the key was sealed for another instance");
        /* A device that has no room for another object has room for those that are in use. */
        if (session_said(session, r, CKR_DEVICE_MEMORY))
                opened_clear(session);
        if (r == 0 && wanted != 0 && !(ret->usage & wanted))
                return seal_not_its_usage(operation, wanted);
        return r;
}
