/* SPDX-License-Identifier: MPL-2.0 */
/* CIPHER: encrypts or decrypts. Called by a session thread through operation_run(); changes nothing. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/worker/secrets/secret-use.h"

/* Bytes of GCM's tag. */
#define TAG_LENGTH 16U

static int encrypt(struct operation *operation, struct used_mechanism *mechanism, const struct used_key *key,
        struct wire_bytes data, CK_ULONG *length)
{
        struct session *session = operation->session;
        int r = P11(session, C_EncryptInit, session->handle, &mechanism->mechanism, key->handle);

        return r != 0 ? r
                      : P11(session, C_Encrypt, session->handle, (CK_BYTE_PTR)(uintptr_t)data.data,
                                data.length, operation->result.payload, length);
}

static int decrypt(struct operation *operation, struct used_mechanism *mechanism, const struct used_key *key,
        struct wire_bytes data, CK_ULONG *length)
{
        struct session *session = operation->session;
        int r = P11(session, C_DecryptInit, session->handle, &mechanism->mechanism, key->handle);

        return r != 0 ? r
                      : P11(session, C_Decrypt, session->handle, (CK_BYTE_PTR)(uintptr_t)data.data,
                                data.length, operation->result.payload, length);
}

static int check_data(struct operation *operation, const struct message_cipher *message,
        const struct used_mechanism *mechanism)
{
        const struct secret_algorithm_info *info = mechanism->info;
        size_t length = message->data.length, unit = info->unit;

        if (info->form == FORM_GCM)
                return !message->decrypts || length >= TAG_LENGTH
                               ? 0
                               : operation_invalid(operation, "ciphertext", "the tag is missing");
        /* What was padded has whole blocks. */
        if (message->decrypts && unit == 1)
                unit = info->iv_length;
        if (length % unit != 0 || (length == 0 && (unit > 1 || message->decrypts)))
                return operation_invalid(operation, message->decrypts ? "ciphertext" : "plaintext",
                        "expected blocks of %zu bytes, found %zu", unit, length);
        return 0;
}

int cipher_attempt(struct operation *operation, const void *request)
{
        const struct message_cipher *message = request;
        const struct used_parameters parameters = {.iv = message->iv, .aad = message->aad};
        struct result *result = &operation->result;
        struct used_mechanism mechanism;
        struct used_key key;
        int r = used_mechanism_init(operation, &mechanism, message->algorithm, DOES_CIPHER,
                message->decrypts ? CKF_DECRYPT : CKF_ENCRYPT, &parameters);

        if (r == 0)
                r = check_data(operation, message, &mechanism);
        while (r == 0) {
                CK_ULONG length = sizeof(result->payload);

                r = used_key_find(operation, mechanism.info, message->instance, message->sealed, message->key,
                        message->decrypts ? USAGE_DECRYPT : USAGE_ENCRYPT, &key);
                if (r != 0)
                        return r;
                r = (message->decrypts ? decrypt : encrypt)(
                        operation, &mechanism, &key, message->data, &length);
                r = secret_blame(operation, r, message->decrypts ? "ciphertext" : "plaintext");
                if (!used_key_is_still(operation, &key)) {
                        r = 0;
                        continue;
                }
                if (r == 0 && length > sizeof(result->payload))
                        return session_fail(operation->session, CKR_DATA_LEN_RANGE, "C_Encrypt or C_Decrypt");
                if (r == 0)
                        result->payload_length = length;
                return r;
        }
        return r;
}
