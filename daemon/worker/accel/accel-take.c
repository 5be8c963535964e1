/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See accel-take.h. A copy is a session object, sensitive, not extractable, and signs; a token that makes anything else of
 * it has its copy destroyed and none kept. That it is the key that it is said to be is shown by a signature, once.
 */
#include "daemon/worker/accel/accel-take.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/spki.h"
#include "daemon/worker/accel/accel-public.h"

static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

#define YES(type)                                                                                            \
        {                                                                                                    \
                type, (void *)(uintptr_t)&yes, sizeof(yes)                                                   \
        }
#define NO(type)                                                                                             \
        {                                                                                                    \
                type, (void *)(uintptr_t)&no, sizeof(no)                                                     \
        }

/* Private objects want a login, which not every accelerator has. */
static const CK_BBOOL *is_private(const struct session *session)
{
        return session->token->info.flags & CKF_LOGIN_REQUIRED ? &yes : &no;
}

static void destroy(struct session *session, CK_OBJECT_HANDLE handle)
{
        if (handle != CK_INVALID_HANDLE)
                (void)P11(session, C_DestroyObject, session->handle, handle);
}

/* ---- the transport key ---- */

static CK_RV generate(struct session *session, CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
        static const CK_BYTE exponent[] = {0x01, 0x00, 0x01};
        CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
        CK_ULONG bits = TRANSPORT_BITS;
        CK_ATTRIBUTE for_public[] = {
                NO(CKA_TOKEN),
                YES(CKA_WRAP),
                {CKA_MODULUS_BITS, &bits, sizeof(bits)},
                {CKA_PUBLIC_EXPONENT, (void *)(uintptr_t)exponent, sizeof(exponent)},
        };
        CK_ATTRIBUTE for_private[] = {
                NO(CKA_TOKEN),
                {CKA_PRIVATE, (void *)(uintptr_t)is_private(session), sizeof(CK_BBOOL)},
                YES(CKA_SENSITIVE),
                NO(CKA_EXTRACTABLE),
                YES(CKA_UNWRAP),
                NO(CKA_DECRYPT),
                NO(CKA_SIGN),
        };
        CK_RV rv;

        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        rv = P11(session, C_GenerateKeyPair, session->handle, &mechanism, for_public, ARRAY_SIZE(for_public),
                for_private, ARRAY_SIZE(for_private), public, private);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        return rv;
}

static CK_RV make_transport(struct session *session, struct transport *transport)
{
        CK_ATTRIBUTE halves[] = {
                {CKA_MODULUS, transport->modulus, sizeof(transport->modulus)},
                {CKA_PUBLIC_EXPONENT, transport->exponent, sizeof(transport->exponent)},
        };
        CK_OBJECT_HANDLE public, private;
        CK_RV rv = generate(session, &public, &private);

        if (rv != CKR_OK)
                return rv;
        rv = P11(session, C_GetAttributeValue, session->handle, public, halves, ARRAY_SIZE(halves));
        destroy(session, public);
        if (rv != CKR_OK) {
                destroy(session, private);
                return rv;
        }
        transport->n_modulus = halves[0].ulValueLen;
        transport->n_exponent = halves[1].ulValueLen;
        transport->private = private;
        return CKR_OK;
}

/* CKR_OK: the session is the one that owns what is there, or nothing is there. */
static CK_RV look_at_session(struct operation *operation, struct transport *transport)
{
        struct copies *copies = operation->accel->copies;
        struct session *session = operation->session;
        CK_RV rv = session_check(session);

        if (rv != CKR_OK)
                return rv;
        /* The token did not know a copy any more: whatever it has is thrown away with the session. */
        if (transport->session == session->n_opens && transport->n_clears != copies_n_clears(copies)) {
                rv = session_recover(session, &operation->failure);
                if (rv != CKR_OK)
                        return CKR_DEVICE_ERROR;
        }
        if (transport->session != session->n_opens) {
                copies_clear(copies);
                transport->private = CK_INVALID_HANDLE;
                transport->session = session->n_opens;
        }
        transport->n_clears = copies_n_clears(copies);
        return CKR_OK;
}

CK_RV transport_attempt(struct operation *operation, const void *request)
{
        struct transport *transport = (struct transport *)(uintptr_t)request;
        CK_RV rv;

        if (!wrap_can_take(operation->session->token))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the accelerator cannot unwrap keys");
        rv = look_at_session(operation, transport);
        if (rv != CKR_OK || transport->private != CK_INVALID_HANDLE)
                return rv;
        return make_transport(operation->session, transport);
}

/* ---- a copy ---- */

static CK_RV unwrap_wrapping_key(struct session *session, const struct taking *taking, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_SECRET_KEY;
        CK_KEY_TYPE type = CKK_AES;
        CK_RSA_PKCS_OAEP_PARAMS params;
        CK_MECHANISM mechanism = wrap_oaep(&params);
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_KEY_TYPE, &type, sizeof(type)},
                NO(CKA_TOKEN),
                {CKA_PRIVATE, (void *)(uintptr_t)is_private(session), sizeof(CK_BBOOL)},
                YES(CKA_SENSITIVE),
                NO(CKA_EXTRACTABLE),
                YES(CKA_UNWRAP),
                NO(CKA_ENCRYPT),
                NO(CKA_DECRYPT),
        };

        return P11(session, C_UnwrapKey, session->handle, &mechanism, taking->transport->private,
                (CK_BYTE_PTR)(uintptr_t)taking->message.wrapping_key.data,
                taking->message.wrapping_key.length, template, ARRAY_SIZE(template), ret);
}

static CK_RV unwrap_key(struct session *session, const struct taking *taking, CK_OBJECT_HANDLE wrapping_key,
        unsigned key_type, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
        CK_KEY_TYPE type = key_type == KEY_RSA ? CKK_RSA : key_type == KEY_EC ? CKK_EC : CKK_EC_EDWARDS;
        CK_MECHANISM mechanism = {wrap_mechanism(session->token), NULL, 0};
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_KEY_TYPE, &type, sizeof(type)},
                NO(CKA_TOKEN),
                {CKA_PRIVATE, (void *)(uintptr_t)is_private(session), sizeof(CK_BBOOL)},
                YES(CKA_SENSITIVE),
                NO(CKA_EXTRACTABLE),
                YES(CKA_SIGN),
                NO(CKA_DECRYPT),
                NO(CKA_UNWRAP),
                NO(CKA_DERIVE),
                NO(CKA_SIGN_RECOVER),
        };

        return P11(session, C_UnwrapKey, session->handle, &mechanism, wrapping_key,
                (CK_BYTE_PTR)(uintptr_t)taking->message.key.data, taking->message.key.length, template,
                ARRAY_SIZE(template), ret);
}

static CK_RV unwrap(
        struct session *session, const struct taking *taking, unsigned key_type, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_HANDLE wrapping_key;
        CK_RV rv = unwrap_wrapping_key(session, taking, &wrapping_key);

        if (rv != CKR_OK)
                return rv;
        rv = unwrap_key(session, taking, wrapping_key, key_type, ret);
        destroy(session, wrapping_key);
        return rv;
}

/* What the token says that it made. An attribute that it does not say is not as it should be. */
static CK_RV read_back(struct session *session, CK_OBJECT_HANDLE key, bool *ret_good)
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
        CK_RV rv;

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                values[i] = !wanted[i].value;
                attributes[i] = (CK_ATTRIBUTE){wanted[i].type, &values[i], sizeof(values[i])};
        }
        rv = P11(session, C_GetAttributeValue, session->handle, key, attributes, ARRAY_SIZE(attributes));
        if (rv != CKR_OK)
                return rv;
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
                good = good && values[i] == wanted[i].value;
        *ret_good = good;
        return CKR_OK;
}

/* A signature of it that its public key confirms. */
static CK_RV prove(struct session *session, CK_OBJECT_HANDLE handle, struct wire_bytes spki, unsigned type,
        unsigned bits, struct der key, bool *ret_good)
{
        static const char message[] = "tokend: a copy is looked at";
        struct signing signing;
        uint8_t signature[LIMIT_SIGNATURE];
        CK_ULONG length = sizeof(signature);
        CK_RV rv;

        if (signing_init(&signing, algorithm_default(type, bits), false, wire_bytes(message, sizeof(message)),
                    type, bits) < 0)
                return CKR_KEY_SIZE_RANGE;
        rv = P11(session, C_SignInit, session->handle, &signing.mechanism, handle);
        if (rv == CKR_OK)
                rv = P11(session, C_Sign, session->handle, (CK_BYTE_PTR)(uintptr_t)signing.input.data,
                        signing.input.length, signature, &length);
        if (rv != CKR_OK)
                return rv;
        return public_verify(
                session, &signing, spki, type, bits, key, wire_bytes(signature, length), ret_good);
}

static CK_RV inspect(struct operation *operation, CK_OBJECT_HANDLE handle, struct wire_bytes spki,
        unsigned type, unsigned bits, struct der key)
{
        bool good = false;
        CK_RV rv = read_back(operation->session, handle, &good);

        if (rv == CKR_OK && !good)
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the accelerator would keep the copy as other than sensitive, not extractable and "
                        "for signing");
        if (rv == CKR_OK)
                rv = prove(operation->session, handle, spki, type, bits, key, &good);
        if (rv == CKR_OK && !good)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the copy does not belong to the public key");
        return rv;
}

static CK_RV keep(struct operation *operation, struct taking *taking, struct copy_key *key)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE old = CK_INVALID_HANDLE;
        uint64_t out = 0;

        if (copies_add(operation->accel->copies, taking->token, taking->message.spki, key, &out, &old) < 0) {
                destroy(session, key->handle);
                return CKR_HOST_MEMORY;
        }
        destroy(session, old);
        if (out != 0)
                taking->evicted = out;
        taking->copy = key->number;
        return CKR_OK;
}

/* What the token said no to, as an answer; or as it is, where it concerns more than this copy. */
static CK_RV refuse(struct operation *operation, struct taking *taking, CK_RV rv)
{
        CK_OBJECT_HANDLE old;
        char name[CKR_TEXT];

        switch (ckr_class(rv)) {
        case CKR_CLASS_BUSY:
                /* Full, perhaps before as many are there as may be: the next try has the room of one. */
                if (taking->evicted == 0 && copies_evict(operation->accel->copies, &taking->evicted, &old))
                        destroy(operation->session, old);
                return rv;
        case CKR_CLASS_DEVICE:
                if (session_check(operation->session) != CKR_OK)
                        return rv;
                break;
        case CKR_CLASS_REQUEST:
                break;
        default:
                return rv;
        }
        operation->result.ckr = rv;
        return operation_answer(operation, REPLY_NOT_SUPPORTED,
                "the accelerator does not take the copy: %s: %s", operation->session->failed_name,
                ckr_text(rv, name));
}

CK_RV take_attempt(struct operation *operation, const void *request)
{
        struct taking *taking = (struct taking *)(uintptr_t)request;
        struct wire_bytes bytes = taking->message.spki;
        struct session *session = operation->session;
        struct copy_key key = {.handle = CK_INVALID_HANDLE};
        struct der inner, spki = {bytes.data, bytes.length};
        CK_RV rv;

        key.key_type = spki_key_type(spki, &key.size, &inner);
        if (key.key_type == 0 || (key.key_type != KEY_RSA && !spki_point(key.size, inner, &inner)))
                return operation_answer(operation, REPLY_INVALID, "the public key is none that can be used");
        rv = look_at_session(operation, taking->transport);
        if (rv != CKR_OK)
                return rv;
        if (taking->transport->private == CK_INVALID_HANDLE)
                return operation_answer(operation, REPLY_BUSY, "the transport key is another by now");
        rv = unwrap(session, taking, key.key_type, &key.handle);
        if (rv != CKR_OK)
                return refuse(operation, taking, rv);
        rv = inspect(operation, key.handle, bytes, key.key_type, key.size, inner);
        if (rv == CKR_OK && operation->result.status == REPLY_OK)
                return keep(operation, taking, &key);
        destroy(session, key.handle);
        return rv == CKR_OK ? rv : refuse(operation, taking, rv);
}
