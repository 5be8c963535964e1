/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See accel-take.h. A copy is a session object, sensitive, not extractable, and for signing. If the token
 * makes anything else of it, the copy is destroyed. One signature proves that the copy belongs to the public
 * key.
 */
#include "daemon/worker/accel/accel-take.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/accel/accel-public.h"
#include "daemon/worker/device/attribute.h"
#include "daemon/worker/device/login.h"

/* Private objects need a login, which not every accelerator has. */
static bool is_private(const struct session *session)
{
        return session->token->info.flags & CKF_LOGIN_REQUIRED;
}

/* ---- the transport key ---- */

static int generate(struct session *session, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
        static const CK_BYTE exponent[] = {0x01, 0x00, 0x01};
        CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
        CK_ATTRIBUTE for_public[] = {
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_WRAP, true),
                ATTRIBUTE_ULONG(CKA_MODULUS_BITS, TRANSPORT_BITS),
                ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)),
        };
        CK_ATTRIBUTE for_private[] = {
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, is_private(session)),
                ATTRIBUTE_BOOL(CKA_SENSITIVE, true),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, false),
                ATTRIBUTE_BOOL(CKA_UNWRAP, true),
                ATTRIBUTE_BOOL(CKA_DECRYPT, false),
                ATTRIBUTE_BOOL(CKA_SIGN, false),
        };
        int r;

        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        r = P11(session, C_GenerateKeyPair, session->handle, &mechanism, for_public, ARRAY_SIZE(for_public),
                for_private, ARRAY_SIZE(for_private), public, private);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        return r;
}

static int make_transport(struct session *session, struct transport *transport)
{
        CK_ATTRIBUTE halves[] = {
                ATTRIBUTE(CKA_MODULUS, transport->modulus, sizeof(transport->modulus)),
                ATTRIBUTE(CKA_PUBLIC_EXPONENT, transport->exponent, sizeof(transport->exponent)),
        };
        CK_OBJECT_HANDLE public, private;
        int r = generate(session, &public, &private);

        if (r != 0)
                return r;
        r = P11(session, C_GetAttributeValue, session->handle, public, halves, ARRAY_SIZE(halves));
        session_destroy(session, public);
        if (r == 0 && (halves[0].ulValueLen > sizeof(transport->modulus) ||
                              halves[1].ulValueLen > sizeof(transport->exponent)))
                r = session_fail(session, CKR_ATTRIBUTE_VALUE_INVALID, "C_GetAttributeValue");
        if (r != 0) {
                session_destroy(session, private);
                return r;
        }
        transport->n_modulus = halves[0].ulValueLen;
        transport->n_exponent = halves[1].ulValueLen;
        transport->private = private;
        return 0;
}

/* Afterwards the session owns the transport key and all copies, or there are none. */
static int check_session(struct operation *operation, struct transport *transport)
{
        struct copies *copies = operation->accel->copies;
        struct session *session = operation->session;
        int r = session_check(session);

        if (r != 0)
                return r;
        /* The token did not know a copy any more. Whatever it still has goes with the session. */
        if (transport->session == session->n_opens && transport->n_clears != copies_n_clears(copies)) {
                if (login_recover(session, &operation->failure) != 0)
                        return session_fail(session, CKR_DEVICE_ERROR, "C_OpenSession");
        }
        if (transport->session != session->n_opens) {
                copies_clear(copies);
                transport->private = CK_INVALID_HANDLE;
                transport->session = session->n_opens;
        }
        transport->n_clears = copies_n_clears(copies);
        return 0;
}

int transport_attempt(struct operation *operation, const void *request)
{
        struct transport *transport = (struct transport *)(uintptr_t)request;
        int r;

        if (!accel_can_unwrap(operation->session->token))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the accelerator cannot unwrap keys");
        r = check_session(operation, transport);
        if (r != 0 || transport->private != CK_INVALID_HANDLE)
                return r;
        return make_transport(operation->session, transport);
}

/* ---- a copy ---- */

static int unwrap_wrapping_key(struct session *session, const struct taking *taking, CK_OBJECT_HANDLE *ret)
{
        CK_RSA_PKCS_OAEP_PARAMS params;
        CK_MECHANISM mechanism = accel_oaep(&params);
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_SECRET_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, CKK_AES),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, is_private(session)),
                ATTRIBUTE_BOOL(CKA_SENSITIVE, true),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, false),
                ATTRIBUTE_BOOL(CKA_UNWRAP, true),
                ATTRIBUTE_BOOL(CKA_ENCRYPT, false),
                ATTRIBUTE_BOOL(CKA_DECRYPT, false),
        };

        return P11(session, C_UnwrapKey, session->handle, &mechanism, taking->transport->private,
                (CK_BYTE_PTR)(uintptr_t)taking->message.wrapping_key.data,
                taking->message.wrapping_key.length, template, ARRAY_SIZE(template), ret);
}

static int unwrap_key(struct session *session, const struct taking *taking, CK_OBJECT_HANDLE wrapping_key,
        unsigned key_type, CK_OBJECT_HANDLE *ret)
{
        CK_KEY_TYPE type = key_type == KEY_RSA ? CKK_RSA : key_type == KEY_EC ? CKK_EC : CKK_EC_EDWARDS;
        CK_MECHANISM mechanism = {accel_mechanism(session->token), NULL, 0};
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_PRIVATE_KEY),
                ATTRIBUTE_ULONG(CKA_KEY_TYPE, type),
                ATTRIBUTE_BOOL(CKA_TOKEN, false),
                ATTRIBUTE_BOOL(CKA_PRIVATE, is_private(session)),
                ATTRIBUTE_BOOL(CKA_SENSITIVE, true),
                ATTRIBUTE_BOOL(CKA_EXTRACTABLE, false),
                ATTRIBUTE_BOOL(CKA_SIGN, true),
                ATTRIBUTE_BOOL(CKA_DECRYPT, false),
                ATTRIBUTE_BOOL(CKA_UNWRAP, false),
                ATTRIBUTE_BOOL(CKA_DERIVE, false),
                ATTRIBUTE_BOOL(CKA_SIGN_RECOVER, false),
        };

        return P11(session, C_UnwrapKey, session->handle, &mechanism, wrapping_key,
                (CK_BYTE_PTR)(uintptr_t)taking->message.key.data, taking->message.key.length, template,
                ARRAY_SIZE(template), ret);
}

static int unwrap(
        struct session *session, const struct taking *taking, unsigned key_type, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_HANDLE wrapping_key;
        int r = unwrap_wrapping_key(session, taking, &wrapping_key);

        if (r != 0)
                return r;
        r = unwrap_key(session, taking, wrapping_key, key_type, ret);
        session_destroy(session, wrapping_key);
        return r;
}

/* What the token says that it made. An attribute that it does not state counts as wrong. */
static int read_back(struct session *session, CK_OBJECT_HANDLE key, bool *ret_good)
{
        static const struct {
                CK_ATTRIBUTE_TYPE type;
                CK_BBOOL value;
        } wanted[] = {
                {CKA_TOKEN, CK_FALSE},
                {CKA_SENSITIVE, CK_TRUE},
                {CKA_EXTRACTABLE, CK_FALSE},
                {CKA_SIGN, CK_TRUE},
                {CKA_DECRYPT, CK_FALSE},
                {CKA_UNWRAP, CK_FALSE},
                {CKA_DERIVE, CK_FALSE},
        };
        CK_BBOOL values[ARRAY_SIZE(wanted)];
        CK_ATTRIBUTE attributes[ARRAY_SIZE(wanted)];
        bool good = true;
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                values[i] = !wanted[i].value;
                attributes[i] = (CK_ATTRIBUTE)ATTRIBUTE(wanted[i].type, &values[i], sizeof(values[i]));
        }
        r = P11(session, C_GetAttributeValue, session->handle, key, attributes, ARRAY_SIZE(attributes));
        if (r != 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                good = good && values[i] == wanted[i].value;
        *ret_good = good;
        return 0;
}

/* The copy makes a signature, and its public key verifies it. */
static int prove(struct session *session, CK_OBJECT_HANDLE handle, struct wire_bytes spki, unsigned type,
        unsigned bits, struct der key, bool *ret_good)
{
        static const char message[] = "tokend: a copy is inspected";
        struct signing signing;
        uint8_t signature[LIMIT_SIGNATURE];
        CK_ULONG length = sizeof(signature);
        int r;

        r = signing_init(&signing,
                &(struct to_sign){.algorithm = algorithm_default(type, bits),
                        .data = wire_bytes(message, sizeof(message))},
                type, bits);
        if (r != 0)
                return r < 0 ? r : session_fail(session, CKR_KEY_SIZE_RANGE, "C_Sign");
        r = P11(session, C_SignInit, session->handle, &signing.mechanism, handle);
        if (r == 0)
                r = P11(session, C_Sign, session->handle, (CK_BYTE_PTR)(uintptr_t)signing.input.data,
                        signing.input.length, signature, &length);
        if (r != 0)
                return r;
        return public_verify(
                session, &signing, spki, type, bits, key, wire_bytes(signature, length), ret_good);
}

static int inspect(struct operation *operation, CK_OBJECT_HANDLE handle, struct wire_bytes spki,
        unsigned type, unsigned bits, struct der key)
{
        bool good = false;
        int r = read_back(operation->session, handle, &good);

        if (r == 0 && !good)
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the accelerator would not keep the copy as sensitive, not extractable and for "
                        "signing only");
        if (r == 0)
                r = prove(operation->session, handle, spki, type, bits, key, &good);
        if (r == 0 && !good)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the copy does not belong to the public key");
        return r;
}

static int keep(struct operation *operation, struct taking *taking, struct copy_key *key)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE old = CK_INVALID_HANDLE;
        uint64_t out = 0;

        if (copies_add(operation->accel->copies, taking->token, taking->message.spki, key, &out, &old) < 0) {
                session_destroy(session, key->handle);
                return -ENOMEM;
        }
        session_destroy(session, old);
        if (out != 0)
                taking->evicted = out;
        taking->copy = key->number;
        return 0;
}

/* r that is not 0: an answer, if the token refused this copy; else r as it is. */
static int refuse(struct operation *operation, struct taking *taking, int r)
{
        struct session *session = operation->session;
        struct failed_call failed = session->failed;
        CK_OBJECT_HANDLE old;
        char name[CKR_TEXT];

        switch (session_class(session, r)) {
        case CKR_CLASS_BUSY:
                /* The token is full, perhaps before it has AcceleratedKeys= copies: the next try has the room
                 * of one. */
                if (taking->evicted == 0 && copies_evict(operation->accel->copies, &taking->evicted, &old))
                        session_destroy(session, old);
                return r;
        case CKR_CLASS_VAGUE:
                if (!taking->vague) {
                        taking->vague = true;
                        return r;
                }
                break;
        case CKR_CLASS_REQUEST:
                break;
        default:
                return r;
        }
        operation->result.ckr = failed.ckr;
        return operation_answer(operation, REPLY_NOT_SUPPORTED, "the accelerator refuses the copy: %s: %s",
                failed.call, ckr_text(failed.ckr, name));
}

int take_attempt(struct operation *operation, const void *request)
{
        struct taking *taking = (struct taking *)(uintptr_t)request;
        struct wire_bytes bytes = taking->message.spki;
        struct session *session = operation->session;
        struct copy_key key = {.handle = CK_INVALID_HANDLE};
        struct der inner, spki = {bytes.data, bytes.length};
        int r;

        key.key_type = spki_key_type(spki, &key.size, &inner);
        if (key.key_type == 0 || (key.key_type != KEY_RSA && !spki_point(key.size, inner, &inner)))
                return operation_invalid(operation, NULL, "the public key cannot be parsed");
        r = check_session(operation, taking->transport);
        if (r != 0)
                return r;
        if (taking->transport->private == CK_INVALID_HANDLE)
                return operation_answer(
                        operation, REPLY_BUSY, "the transport key has been replaced meanwhile");
        r = unwrap(session, taking, key.key_type, &key.handle);
        if (r != 0)
                return refuse(operation, taking, r);
        r = inspect(operation, key.handle, bytes, key.key_type, key.size, inner);
        if (r == 0)
                return keep(operation, taking, &key);
        session_destroy(session, key.handle);
        return refuse(operation, taking, r);
}
