/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The operations that need no key of the token: VERIFY, RANDOM and PROBE. Called by a session thread through
 * operation_run().
 *
 * VERIFY goes by NSS's own software token, through a key made from its SubjectPublicKeyInfo: the device is
 * not asked (and SoftHSM's public key objects mislead NSS, docs/tokens.md). Ed25519, which NSS 3.87 does not
 * know, goes by the token's own C_Verify. All of the input comes from a client.
 */
#include <nspr/prerror.h>
#include <nss/pk11pub.h>
#include <nss/secerr.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/accel/accel-public.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/public-key.h"

/* Bytes. An exponent as long as the modulus would cost seconds. */
#define EXPONENT_MAX 8U
#define RSA_BITS_MIN 1024U
#define RSA_BITS_MAX 16384U

/* ---- VERIFY ---- */

static int answer(struct operation *operation, bool valid)
{
        operation->result.payload[0] = valid;
        operation->result.payload_length = 1;
        return 0;
}

static bool rsa_is_bounded(struct der key, unsigned bits)
{
        struct der modulus, exponent;

        if (!spki_rsa(key, &modulus, &exponent))
                return false;
        if (exponent.length == 0 || exponent.length > EXPONENT_MAX || bits < RSA_BITS_MIN ||
                bits > RSA_BITS_MAX)
                return false;
        /* Odd, and not 1: with an exponent of 1 every padded digest is its own signature, and not every token
         * refuses that. */
        return (exponent.data[exponent.length - 1] & 1) && (exponent.length > 1 || exponent.data[0] > 1);
}

static int verify_by_nss(struct operation *operation, struct signing *signing, struct wire_bytes spki,
        const uint8_t *raw, size_t length)
{
        _cleanup_(SECKEY_DestroyPublicKeyp) SECKEYPublicKey *key = public_key_import(spki);
        SECItem parameter = {
                siBuffer, signing->mechanism.pParameter, (unsigned)signing->mechanism.ulParameterLen};
        SECItem signature = {siBuffer, (unsigned char *)(uintptr_t)raw, (unsigned)length};
        SECItem input = {
                siBuffer, (unsigned char *)(uintptr_t)signing->input.data, (unsigned)signing->input.length};

        if (!key)
                return operation_invalid(operation, NULL, "NSS cannot use the public key");
        /* For a digest that differs softoken sets no error and reports the one before, or a device error. */
        PR_SetError(0, 0);
        if (PK11_VerifyWithMechanism(key, signing->mechanism.mechanism, parameter.len > 0 ? &parameter : NULL,
                    &signature, &input, NULL) == SECSuccess)
                return answer(operation, true);
        if (PR_GetError() == SEC_ERROR_BAD_SIGNATURE || PR_GetError() == SEC_ERROR_PKCS11_DEVICE_ERROR)
                return answer(operation, false);
        return operation_invalid(operation, NULL, "NSS cannot use the public key: %s",
                PR_ErrorToString(PR_GetError(), PR_LANGUAGE_I_DEFAULT));
}

static int verify_by_token(
        struct operation *operation, struct signing *signing, struct der point, struct wire_bytes signature)
{
        struct session *session = operation->session;
        CK_OBJECT_HANDLE key;
        bool valid = false;
        int r;

        if (!slot_token_has_mechanism(session->token, CKM_EDDSA))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        r = public_create(session, KEY_ED25519, 255, point, &key);
        if (r != 0)
                return r;
        r = public_check(session, signing, key, signature, &valid);
        session_destroy(session, key);
        return r == 0 ? answer(operation, valid) : r;
}

int verify_attempt(struct operation *operation, const void *request)
{
        const struct message_verify *message = request;
        struct der key, spki = {message->spki.data, message->spki.length};
        struct wire_bytes signature = message->signature;
        uint8_t raw[132];
        struct signing signing;
        unsigned bits, type = spki_key_type(spki, &bits, &key);
        int r;

        if (type == 0 || (type == KEY_RSA ? !rsa_is_bounded(key, bits) : !spki_point(bits, key, &key)))
                return operation_invalid(operation, NULL,
                        "the public key cannot be parsed, or is of no supported type or size");
        r = operation_prepare(operation, &signing,
                &(struct to_sign){.algorithm = message->algorithm,
                        .prehashed = message->prehashed,
                        .data = message->data},
                type, bits);
        if (r != 0)
                return r;
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

/* ---- RANDOM: by the token's own generator, else by NSS's ---- */

int random_attempt(struct operation *operation, const void *request)
{
        const struct message_random *message = request;
        struct session *session = operation->session;
        struct result *result = &operation->result;
        int r;

        if (message->length == 0 || message->length > LIMIT_RANDOM)
                return operation_invalid(operation, "length",
                        "%u random bytes were asked for; 1 to %u are possible", message->length,
                        LIMIT_RANDOM);
        if (session->token->info.flags & CKF_RNG)
                r = P11(session, C_GenerateRandom, session->handle, result->payload, message->length);
        else
                r = session_fail(session, CKR_RANDOM_NO_RNG, "C_GetTokenInfo");
        if (r != 0 && session->token->config->role == ROLE_ACCELERATOR &&
                session_class(session, r) == CKR_CLASS_REQUEST)
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the accelerator has no random generator");
        if (session_said(session, r, CKR_RANDOM_NO_RNG) ||
                session_said(session, r, CKR_FUNCTION_NOT_SUPPORTED))
                r = PK11_GenerateRandom(result->payload, (int)message->length) == SECSuccess ? 0 : r;
        if (r == 0)
                result->payload_length = message->length;
        return r;
}

/* ---- PROBE: is the device itself there? ---- */

int probe_attempt(struct operation *operation, const void *request)
{
        struct session *session = operation->session;
        CK_TOKEN_INFO info;
        int r = P11(session, C_GetTokenInfo, session->token->slot, &info);

        return r == 0 ? session_check(session) : r;
}
