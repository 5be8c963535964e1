/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The operations that need no key of the token: VERIFY, RANDOM and PROBE. Called by a session thread through operation_run().
 *
 * VERIFY goes by NSS's own software token, through a copy of the key made from its SubjectPublicKeyInfo: the
 * device is not asked (and SoftHSM's public key objects mislead NSS, docs/tokens.md). Ed25519, which NSS 3.87 does not
 * know, by the token's own C_Verify. All of it comes from a client.
 */
#include <nspr/prerror.h>
#include <nss/keyhi.h>
#include <nss/pk11pub.h>
#include <nss/secerr.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/util/spki.h"
#include "daemon/worker/accel/accel-public.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/signing.h"

/* An exponent as long as the modulus would cost seconds. */
#define EXPONENT_MAX 8U
#define RSA_BITS_MIN 1024U
#define RSA_BITS_MAX 16384U

/* ---- VERIFY ---- */

DEFINE_CLEANUP(SECKEYPublicKey *, SECKEY_DestroyPublicKey);

static CK_RV answer(struct operation *operation, bool valid)
{
        operation->result.payload[0] = valid;
        operation->result.payload_length = 1;
        return CKR_OK;
}

static bool rsa_is_bounded(struct der key, unsigned bits)
{
        struct der modulus, exponent;

        if (!spki_rsa(key, &modulus, &exponent))
                return false;
        if (exponent.length == 0 || exponent.length > EXPONENT_MAX || bits < RSA_BITS_MIN ||
                bits > RSA_BITS_MAX)
                return false;
        /* Odd, and not 1: with that anybody's padded digest is its own signature, and not every token refuses it. */
        return (exponent.data[exponent.length - 1] & 1) && (exponent.length > 1 || exponent.data[0] > 1);
}

static SECKEYPublicKey *import_spki(struct wire_bytes spki)
{
        SECItem item = {siBuffer, (unsigned char *)(uintptr_t)spki.data, (unsigned)spki.length};
        CERTSubjectPublicKeyInfo *info = SECKEY_DecodeDERSubjectPublicKeyInfo(&item);
        SECKEYPublicKey *key = info ? SECKEY_ExtractPublicKey(info) : NULL;

        if (info)
                SECKEY_DestroySubjectPublicKeyInfo(info);
        return key;
}

static CK_RV verify_by_nss(struct operation *operation, struct signing *signing, struct wire_bytes spki,
        const uint8_t *raw, size_t length)
{
        _cleanup_(SECKEY_DestroyPublicKeyp) SECKEYPublicKey *key = import_spki(spki);
        SECItem parameter = {
                siBuffer, signing->mechanism.pParameter, (unsigned)signing->mechanism.ulParameterLen};
        SECItem signature = {siBuffer, (unsigned char *)(uintptr_t)raw, (unsigned)length};
        SECItem input = {
                siBuffer, (unsigned char *)(uintptr_t)signing->input.data, (unsigned)signing->input.length};

        if (!key)
                return operation_answer(operation, REPLY_INVALID, "the public key is none that can be used");
        /* A digest that differs sets no error in softoken, which then reports the one before, or a device error. */
        PR_SetError(0, 0);
        if (PK11_VerifyWithMechanism(key, signing->mechanism.mechanism, parameter.len > 0 ? &parameter : NULL,
                    &signature, &input, NULL) == SECSuccess)
                return answer(operation, true);
        if (PR_GetError() == SEC_ERROR_BAD_SIGNATURE || PR_GetError() == SEC_ERROR_PKCS11_DEVICE_ERROR)
                return answer(operation, false);
        return operation_answer(operation, REPLY_INVALID, "the public key cannot be used: %s",
                PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
}

static CK_RV import_edwards(struct session *session, struct der point, CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
        CK_KEY_TYPE type = CKK_EC_EDWARDS;
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
        struct der params = spki_curve_params(255);
        uint8_t wrapped[34] = {0x04, 32};
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_KEY_TYPE, &type, sizeof(type)},
                {CKA_TOKEN, &no, sizeof(no)},
                {CKA_PRIVATE, &no, sizeof(no)},
                {CKA_VERIFY, &yes, sizeof(yes)},
                {CKA_EC_PARAMS, (void *)(uintptr_t)params.data, params.length},
                {CKA_EC_POINT, wrapped, sizeof(wrapped)},
        };

        memcpy(wrapped + 2, point.data, 32);
        return P11(session, C_CreateObject, session->handle, template, ARRAY_SIZE(template), ret);
}

static CK_RV verify_by_token(
        struct operation *operation, struct signing *signing, struct der point, struct wire_bytes signature)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE key;
        CK_RV rv;

        if (!slot_token_has_mechanism(session->token, CKM_EDDSA))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        rv = import_edwards(session, point, &key);
        if (rv != CKR_OK)
                return rv;
        rv = P11(session, C_VerifyInit, session->handle, &signing->mechanism, key);
        if (rv == CKR_OK)
                rv = P11(session, C_Verify, session->handle, (CK_BYTE_PTR)(uintptr_t)signing->input.data,
                        signing->input.length, (CK_BYTE_PTR)(uintptr_t)signature.data, signature.length);
        (void)P11(session, C_DestroyObject, session->handle, key);
        if (rv == CKR_OK)
                return answer(operation, true);
        return rv == CKR_SIGNATURE_INVALID || rv == CKR_SIGNATURE_LEN_RANGE ? answer(operation, false) : rv;
}

CK_RV verify_attempt(struct operation *operation, const void *request)
{
        const struct message_verify *message = request;
        struct der key, spki = {message->spki.data, message->spki.length};
        struct wire_bytes signature = message->signature;
        uint8_t raw[132];
        struct signing signing;
        unsigned bits, type = spki_key_type(spki, &bits, &key);
        int r;

        if (type == 0 || (type == KEY_RSA ? !rsa_is_bounded(key, bits) : !spki_point(bits, key, &key)))
                return operation_answer(operation, REPLY_INVALID, "the public key is none that can be used");
        r = signing_init(&signing, message->algorithm, message->prehashed, message->data, type, bits);
        if (r == -ENOTSUP)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        if (r < 0)
                return operation_answer(operation, REPLY_INVALID, "the data does not fit the algorithm");
        if (type == KEY_EC) {
                if (!signature_from_der(
                            (struct der){signature.data, signature.length}, raw, signing.signature_length))
                        return answer(operation, false);
                signature = wire_bytes(raw, signing.signature_length);
        }
        if (signature.length != signing.signature_length)
                return answer(operation, false);
        if (operation->session->token->config->role == ROLE_ACCELERATOR)
                return public_attempt(operation, &signing, message->spki, type, bits, key, signature);
        if (type == KEY_ED25519)
                return verify_by_token(operation, &signing, key, signature);
        return verify_by_nss(operation, &signing, message->spki, signature.data, signature.length);
}

/* ---- RANDOM: of the token's own generator, else of NSS's ---- */

CK_RV random_attempt(struct operation *operation, const void *request)
{
        const struct message_random *message = request;
        struct session *session = operation->session;
        struct result *result = &operation->result;
        CK_RV rv = CKR_RANDOM_NO_RNG;

        if (message->length == 0 || message->length > LIMIT_RANDOM)
                return operation_answer(
                        operation, REPLY_INVALID, "%u bytes of random are not to be had", message->length);
        if (session->token->info.flags & CKF_RNG)
                rv = P11(session, C_GenerateRandom, session->handle, result->payload, message->length);
        if (rv != CKR_OK && session->token->config->role == ROLE_ACCELERATOR &&
                ckr_class(rv) == CKR_CLASS_REQUEST)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the accelerator has no generator");
        if (rv == CKR_RANDOM_NO_RNG || rv == CKR_FUNCTION_NOT_SUPPORTED)
                rv = PK11_GenerateRandom(result->payload, (int)message->length) == SECSuccess ? CKR_OK : rv;
        if (rv == CKR_OK)
                result->payload_length = message->length;
        return rv;
}

/* ---- PROBE: whether the device itself is there; for an operator, and when nothing else was asked for a while ---- */

CK_RV probe_attempt(struct operation *operation, const void *request)
{
        struct session *session = operation->session;
        CK_TOKEN_INFO info;
        CK_RV rv = P11(session, C_GetTokenInfo, session->token->slot, &info);

        return rv == CKR_OK ? session_check(session) : rv;
}
