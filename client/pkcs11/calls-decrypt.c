/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Decrypting with an RSA key, and ECDH. The plaintext is fetched once: if the caller's buffer turns out to be too small for it, it is
 * kept in the operation until the next call, and wiped with it. A padding that is wrong is one error, whatever is wrong with it.
 */
#include <stdio.h>
#include <string.h>

#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

struct p11_decrypting {
        struct p11_object *key;
        char algorithm[24];
        unsigned char *label; /* of OAEP */
        size_t label_length;
        struct buffer input;
        bool is_done;
        unsigned char *plaintext; /* once it is done */
        size_t plaintext_length;
};

static void decrypting_free(void *pointer)
{
        struct p11_decrypting *decrypting = pointer;

        if (!decrypting)
                return;
        object_unref(decrypting->key);
        free(decrypting->label);
        buffer_done(&decrypting->input);
        tokend_secret_free(decrypting->plaintext, decrypting->plaintext_length);
        free(decrypting);
}
DEFINE_CLEANUP(struct p11_decrypting *, decrypting_free);

static CK_RV take_oaep(struct p11_decrypting *decrypting, const CK_MECHANISM *mechanism)
{
        const CK_RSA_PKCS_OAEP_PARAMS *params = mechanism->pParameter;
        const struct module_hash *hash;

        if (!params || mechanism->ulParameterLen != sizeof(*params))
                return CKR_MECHANISM_PARAM_INVALID;
        hash = module_hash_of(params->hashAlg);
        if (!hash || hash->mechanism == CKM_SHA224 || hash->mgf != params->mgf)
                return CKR_MECHANISM_PARAM_INVALID;
        (void)snprintf(decrypting->algorithm, sizeof(decrypting->algorithm), "rsa_oaep_%s", hash->name);
        if (params->source != CKZ_DATA_SPECIFIED && (params->source != 0 || params->ulSourceDataLen > 0))
                return CKR_MECHANISM_PARAM_INVALID;
        if (params->ulSourceDataLen == 0)
                return CKR_OK;
        if (!params->pSourceData || params->ulSourceDataLen > 1024)
                return CKR_MECHANISM_PARAM_INVALID;
        decrypting->label = malloc(params->ulSourceDataLen);
        if (!decrypting->label)
                return CKR_HOST_MEMORY;
        memcpy(decrypting->label, params->pSourceData, params->ulSourceDataLen);
        decrypting->label_length = params->ulSourceDataLen;
        return CKR_OK;
}

static CK_RV take_mechanism(struct p11_decrypting *decrypting, const CK_MECHANISM *mechanism)
{
        const struct mechanism *row = mechanism_find(mechanism->mechanism);

        if (!row || !(row->flags & CKF_DECRYPT))
                return CKR_MECHANISM_INVALID;
        if (decrypting->key->class != CKO_PRIVATE_KEY)
                return CKR_KEY_HANDLE_INVALID;
        if (decrypting->key->key_type != row->key_type)
                return CKR_KEY_TYPE_INCONSISTENT;
        if (!(decrypting->key->usage & TOKEND_USAGE_DECRYPT))
                return CKR_KEY_FUNCTION_NOT_PERMITTED;
        if (row->type == CKM_RSA_PKCS_OAEP)
                return take_oaep(decrypting, mechanism);
        (void)snprintf(decrypting->algorithm, sizeof(decrypting->algorithm), "rsa_pkcs1");
        return mechanism->ulParameterLen > 0 ? CKR_MECHANISM_PARAM_INVALID : CKR_OK;
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
        _cleanup_(decrypting_freep) struct p11_decrypting *decrypting = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism)
                return p11_session_cancel(module, hSession, OPERATION_DECRYPT);
        if (!pMechanism->pParameter && pMechanism->ulParameterLen > 0)
                return CKR_ARGUMENTS_BAD;
        decrypting = calloc(1, sizeof(*decrypting));
        if (!decrypting)
                return CKR_HOST_MEMORY;
        rv = module_object_of(module, hKey, CKR_KEY_HANDLE_INVALID, &decrypting->key);
        if (rv == CKR_OK)
                rv = take_mechanism(decrypting, pMechanism);
        if (rv != CKR_OK)
                return rv;
        return p11_session_begin(
                module, hSession, operation_new(OPERATION_DECRYPT, TAKE_PTR(decrypting), decrypting_free));
}

/* Bytes of the modulus: as many has each ciphertext, and no plaintext has more. */
static size_t block(const struct p11_decrypting *decrypting)
{
        return (decrypting->key->bits + 7) / 8;
}

static CK_RV add(struct p11_decrypting *decrypting, const void *part, size_t length)
{
        if (length > block(decrypting) - decrypting->input.length)
                return CKR_ENCRYPTED_DATA_LEN_RANGE;
        if (length > 0)
                buffer_put(&decrypting->input, part, length);
        return decrypting->input.failed ? CKR_HOST_MEMORY : CKR_OK;
}

static CK_RV fetch(struct module *module, struct p11_decrypting *decrypting)
{
        struct tokend_failure failure = {0};
        CK_RV rv;

        if (decrypting->is_done)
                return CKR_OK;
        if (decrypting->input.length != block(decrypting))
                return CKR_ENCRYPTED_DATA_LEN_RANGE;
        (void)tokend_decrypt(module->calls, decrypting->key->name, decrypting->algorithm,
                decrypting->input.data, decrypting->input.length, decrypting->label, decrypting->label_length,
                module->settings.timeout_ms, &decrypting->plaintext, &decrypting->plaintext_length, &failure);
        rv = module_error(&failure, CKR_ENCRYPTED_DATA_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED);
        decrypting->is_done = rv == CKR_OK;
        return rv;
}

/* whole: of C_Decrypt(), whose input comes at once. */
static CK_RV decrypt(CK_SESSION_HANDLE session, const void *data, CK_ULONG data_length, bool whole,
        CK_BYTE *out, CK_ULONG *length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        struct p11_decrypting *decrypting;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take_to_end(
                module, session, OPERATION_DECRYPT, whole, length && (data || data_length == 0), &operation);
        if (rv != CKR_OK)
                return rv;
        decrypting = operation->state;
        if (!out) {
                *length = decrypting->is_done ? decrypting->plaintext_length : block(decrypting);
                p11_session_put(module, session, TAKE_PTR(operation));
                return CKR_OK;
        }
        if (whole && !decrypting->is_done)
                rv = add(decrypting, data, data_length);
        if (rv == CKR_OK)
                rv = fetch(module, decrypting);
        if (rv != CKR_OK)
                return rv;
        if (*length < decrypting->plaintext_length) {
                rv = CKR_BUFFER_TOO_SMALL;
                *length = decrypting->plaintext_length;
                p11_session_put(module, session, TAKE_PTR(operation));
                return rv;
        }
        *length = decrypting->plaintext_length;
        if (*length > 0)
                memcpy(out, decrypting->plaintext, *length);
        return CKR_OK;
}

CK_RV C_Decrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedData, CK_ULONG ulEncryptedDataLen,
        CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)
{
        return decrypt(hSession, pEncryptedData, ulEncryptedDataLen, true, pData, pulDataLen);
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart, CK_ULONG ulEncryptedPartLen,
        CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        struct p11_decrypting *decrypting;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take(module, hSession, OPERATION_DECRYPT, &operation);
        if (rv != CKR_OK)
                return rv;
        if (!pulPartLen || (!pEncryptedPart && ulEncryptedPartLen > 0))
                return CKR_ARGUMENTS_BAD;
        decrypting = operation->state;
        operation->begun = true;
        /* A question for the size adds nothing; all comes at the end. */
        if (pPart)
                rv = add(decrypting, pEncryptedPart, ulEncryptedPartLen);
        *pulPartLen = 0;
        if (rv == CKR_OK)
                p11_session_put(module, hSession, TAKE_PTR(operation));
        return rv;
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastPart, CK_ULONG_PTR pulLastPartLen)
{
        return decrypt(hSession, NULL, 0, false, pLastPart, pulLastPartLen);
}
