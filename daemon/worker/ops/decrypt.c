/* SPDX-License-Identifier: MPL-2.0 */
/*
 * DECRYPT: two calls into the module, C_DecryptInit and C_Decrypt. Called by a session thread through operation_run(); may run
 * twice.
 *
 * Who can tell one wrong padding from another decrypts by asking (Bleichenbacher, Manger). So whatever C_Decrypt says of
 * the data, and tokens say many things, is one answer by one way: the same calls, the same status, and no CKR_ in it, which the
 * status would show. Some tokens say CKR_GENERAL_ERROR, as of a device that fails (SoftHSM2). It did not fail if the session
 * answers and the second try says the same.
 */
#include <nss/pk11pub.h>
#include <string.h>

#include "daemon/util/decryption.h"
#include "daemon/worker/encoding/public-key.h"
#include "daemon/worker/ops/private-key.h"

/* A mechanism whose parameter points into the struct, which must not be copied. */
struct decrypting {
        CK_MECHANISM mechanism;
        CK_RSA_PKCS_OAEP_PARAMS oaep;
};

static void decrypting_init(struct decrypting *decrypting, const struct message_decrypt *message)
{
        const struct decryption_info *info = decryption_info(message->decryption);
        const struct hash_info *hash = hash_info(info->hash);

        *decrypting = (struct decrypting){.mechanism = {info->mechanism, NULL, 0}};
        if (!hash)
                return;
        decrypting->oaep = (CK_RSA_PKCS_OAEP_PARAMS){
                .hashAlg = hash->mechanism, .mgf = hash->mgf, .source = CKZ_DATA_SPECIFIED};
        if (message->label.length > 0) {
                decrypting->oaep.pSourceData = (CK_VOID_PTR)(uintptr_t)message->label.data;
                decrypting->oaep.ulSourceDataLen = message->label.length;
        }
        decrypting->mechanism.pParameter = &decrypting->oaep;
        decrypting->mechanism.ulParameterLen = sizeof(decrypting->oaep);
}

/* A token that has OAEP may have it with SHA-1 alone, or without a label. */
static bool is_lacking(const struct session *session, int r)
{
        return session_said(session, r, CKR_ARGUMENTS_BAD) ||
               session_said(session, r, CKR_MECHANISM_INVALID) ||
               session_said(session, r, CKR_MECHANISM_PARAM_INVALID);
}

/* Whether C_Decrypt may have meant the data. After an error of class vague P11() has asked session and token how they are; so they are
 * asked after any other, too. */
static bool is_about_data(struct session *session, int r)
{
        enum ckr_class class = session_class(session, r);

        return class == CKR_CLASS_VAGUE || (class == CKR_CLASS_REQUEST && session_is_well(session));
}

static int decrypt_once(struct session *session, struct decrypting *decrypting, CK_OBJECT_HANDLE object,
        struct wire_bytes ciphertext, uint8_t *plaintext, CK_ULONG *length)
{
        int r = P11(session, C_DecryptInit, session->handle, &decrypting->mechanism, object);

        *length = LIMIT_SIGNATURE;
        if (r == 0)
                r = P11(session, C_Decrypt, session->handle, (CK_BYTE_PTR)(uintptr_t)ciphertext.data,
                        ciphertext.length, plaintext, length);
        return r;
}

static int decrypt(struct operation *operation, struct decrypting *decrypting, CK_OBJECT_HANDLE object,
        struct wire_bytes ciphertext, uint8_t *plaintext, CK_ULONG *length)
{
        struct session *session = operation->session;
        int r = decrypt_once(session, decrypting, object, ciphertext, plaintext, length);

        if (!is_about_data(session, r))
                return r;
        if (session->failed.call && strcmp(session->failed.call, "C_DecryptInit") == 0)
                return is_lacking(session, r) ? operation_answer(operation, REPLY_NOT_SUPPORTED,
                                                        "the token does not take this hash or label")
                                              : r;
        r = decrypt_once(session, decrypting, object, ciphertext, plaintext, length);
        /* Some tokens keep the operation that failed open, and a new session is free of it. */
        if (session_said(session, r, CKR_OPERATION_ACTIVE)) {
                session_exchange(session);
                r = decrypt_once(session, decrypting, object, ciphertext, plaintext, length);
        }
        return is_about_data(session, r)
                       ? operation_invalid(operation, "ciphertext", "the token cannot decrypt it")
                       : r;
}

/* ---- labels of OAEP ---- */

/* A few bytes, encrypted with the same label by NSS. false: it cannot. */
static bool encrypt_labelled(struct operation *operation, const struct inventory_key *key,
        struct decrypting *decrypting, uint8_t *ret, unsigned *ret_length)
{
        static const unsigned char text[] = "a label";
        const CK_MECHANISM *mechanism = &decrypting->mechanism;
        SECItem parameter = {siBuffer, mechanism->pParameter, (unsigned)mechanism->ulParameterLen};
        struct inventory_public public = {0};
        bool done = false;

        if (inventory_public(operation->inventory, key->number, &public) == 0) {
                _cleanup_(SECKEY_DestroyPublicKeyp) SECKEYPublicKey *to =
                        public_key_import(wire_bytes(public.spki, public.spki_length));

                done = to && PK11_PubEncrypt(to, mechanism->mechanism, &parameter, ret, ret_length,
                                     LIMIT_SIGNATURE, text, sizeof(text), NULL) == SECSuccess;
        }
        free(public.spki);
        return done;
}

/* Whether the token does something with a label, found out once: a token that leaves it out would decrypt what was meant for another
 * purpose, and what was meant for this one not. */
static int check_labels(struct operation *operation, const struct inventory_key *key,
        struct decrypting *decrypting, CK_OBJECT_HANDLE object)
{
        atomic_uint *labels = &operation->session->token->oaep_labels;
        uint8_t ciphertext[LIMIT_SIGNATURE], plaintext[LIMIT_SIGNATURE];
        CK_ULONG length;
        unsigned n;
        int r;

        if (atomic_load(labels) == OAEP_LABELS_UNKNOWN &&
                encrypt_labelled(operation, key, decrypting, ciphertext, &n)) {
                r = decrypt(operation, decrypting, object, wire_bytes(ciphertext, n), plaintext, &length);
                if (r != 0 && r != REPLY_INVALID)
                        return r;
                atomic_store(labels, r == 0 ? OAEP_LABELS_HEEDED : OAEP_LABELS_LACKING);
        }
        return atomic_load(labels) == OAEP_LABELS_HEEDED
                       ? 0
                       : operation_answer(operation, REPLY_NOT_SUPPORTED,
                                 "the token does nothing with a label of OAEP");
}

static int decrypt_with(struct operation *operation, const struct inventory_key *key, CK_OBJECT_HANDLE object,
        CK_MECHANISM_TYPE mechanism, const void *request)
{
        const struct message_decrypt *message = request;
        struct result *result = &operation->result;
        uint8_t plaintext[LIMIT_SIGNATURE];
        struct decrypting decrypting;
        CK_ULONG length;
        int r = 0;

        decrypting_init(&decrypting, message);
        if (message->label.length > 0)
                r = check_labels(operation, key, &decrypting, object);
        if (r == 0)
                r = decrypt(operation, &decrypting, object, message->ciphertext, plaintext, &length);
        if (r == 0 && length >= (key->size + 7U) / 8U)
                r = operation_refused(operation, CKR_ENCRYPTED_DATA_LEN_RANGE,
                        "the token returned more than an RSA key can decrypt");
        if (r == 0) {
                memcpy(result->payload, plaintext, length);
                result->payload_length = length;
        }
        explicit_bzero(plaintext, sizeof(plaintext));
        return r;
}

int decrypt_attempt(struct operation *operation, const void *request)
{
        const struct message_decrypt *message = request;
        const struct decryption_info *info = decryption_info(message->decryption);
        struct inventory_key key;

        if (!info)
                return operation_invalid(operation, "algorithm", "there is no such algorithm");
        if (!inventory_key(operation->inventory, message->key, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
        if (!decryption_fits(message->decryption, key.key_type, key.size))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        if (message->ciphertext.length != (key.size + 7U) / 8U)
                return operation_invalid(operation, "ciphertext", "it is not as long as the modulus");
        return private_key_use(operation, &(struct private_use){.number = message->key,
                                                  .usage = USAGE_DECRYPT,
                                                  .mechanism = info->mechanism,
                                                  .run = decrypt_with,
                                                  .request = message});
}
