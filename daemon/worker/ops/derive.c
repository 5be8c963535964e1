/* SPDX-License-Identifier: MPL-2.0 */
/*
 * DERIVE: ECDH. C_DeriveKey gives a session object, whose value is read; it is destroyed in every case. Called by a session
 * thread through operation_run(); may run twice.
 *
 * A point that is not on the curve would tell its sender bits of the key: it is refused here, whatever the token does.
 */
#include <string.h>

#include "daemon/util/curve-point.h"
#include "daemon/util/spki.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/ops/private-key.h"

#define COORDINATE_MAX 66U

/* The peer's point, uncompressed, on the curve of the key. false: it is none. */
static bool peer_point(struct wire_bytes peer, unsigned bits, struct der *ret)
{
        struct der point = {peer.data, peer.length};
        size_t length = (bits + 7U) / 8U;
        unsigned peer_bits;

        if (peer.length > 0 && peer.data[0] == DER_TAG_SEQUENCE &&
                (spki_key_type(point, &peer_bits, &point) != KEY_EC || peer_bits != bits))
                return false;
        if (point.length != 1 + 2 * length || point.data[0] != 4 ||
                !curve_point_is_there(bits, point.data + 1, point.data + 1 + length))
                return false;
        *ret = point;
        return true;
}

static int derive(
        struct session *session, CK_OBJECT_HANDLE key, struct der point, size_t length, CK_OBJECT_HANDLE *ret)
{
        CK_ECDH1_DERIVE_PARAMS parameters = {.kdf = CKD_NULL,
                .ulPublicDataLen = point.length,
                .pPublicData = (CK_BYTE_PTR)(uintptr_t)point.data};
        CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &parameters, sizeof(parameters)};
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_SECRET_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, true),
                ATTRIBUTE_BOOL(CKA_SENSITIVE, false),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, true),
                ATTRIBUTE_ULONG(CKA_VALUE_LEN, length),
        };

        return P11(
                session, C_DeriveKey, session->handle, &mechanism, key, template, ARRAY_SIZE(template), ret);
}

/* The coordinate, as long as the curve's field whatever the token does with leading zeros. */
static int take_secret(struct operation *operation, CK_OBJECT_HANDLE secret, size_t length)
{
        struct session *session = operation->session;
        struct result *result = &operation->result;
        uint8_t value[COORDINATE_MAX];
        CK_ATTRIBUTE template = ATTRIBUTE(CKA_VALUE, value, sizeof(value));
        int r = P11(session, C_GetAttributeValue, session->handle, secret, &template, 1);

        if (session_said(session, r, CKR_ATTRIBUTE_SENSITIVE))
                r = operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the token does not show derived secrets");
        else if (r == 0 && (template.ulValueLen == 0 || template.ulValueLen > length))
                r = operation_refused(
                        operation, CKR_KEY_SIZE_RANGE, "the token returned no coordinate of this curve");
        else if (r == 0) {
                size_t n_zeros = length - template.ulValueLen;

                memset(result->payload, 0, n_zeros);
                memcpy(result->payload + n_zeros, value, template.ulValueLen);
                result->payload_length = length;
        }
        explicit_bzero(value, sizeof(value));
        return r;
}

static int derive_with(struct operation *operation, const struct inventory_key *key, CK_OBJECT_HANDLE object,
        CK_MECHANISM_TYPE mechanism, const void *request)
{
        const struct message_derive *message = request;
        struct session *session = operation->session;
        size_t length = (key->size + 7U) / 8U;
        CK_OBJECT_HANDLE secret;
        struct der point;
        int r;

        if (key->key_type != KEY_EC)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the key is of another type");
        if (!peer_point(message->peer, key->size, &point))
                return operation_invalid(operation, "publicKey", "expected a point of the key's curve");
        r = derive(session, object, point, length, &secret);
        if (r != 0)
                return r;
        r = take_secret(operation, secret, length);
        session_destroy(session, secret);
        return r;
}

int derive_attempt(struct operation *operation, const void *request)
{
        const struct message_derive *message = request;

        return private_key_use(operation, &(struct private_use){.number = message->key,
                                                  .usage = USAGE_DERIVE,
                                                  .mechanism = CKM_ECDH1_DERIVE,
                                                  .run = derive_with,
                                                  .request = message});
}
