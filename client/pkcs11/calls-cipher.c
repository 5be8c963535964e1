/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Encrypting and decrypting. A question for the size, and a buffer that is too small, leave the operation as it was; everything else ends
 * it. What was decrypted is fetched once: if the caller's buffer turns out to be too small for it, it is kept in the operation until the
 * next call.
 */
#include <string.h>

#include "client/pkcs11/begin.h"
#include "client/pkcs11/ciphering.h"

CK_RV C_EncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
        return begin_with_key(hSession, pMechanism, hKey,
                &(struct operation_with_key){OPERATION_ENCRYPT, ciphering_new, ciphering_free});
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
        return begin_with_key(hSession, pMechanism, hKey,
                &(struct operation_with_key){OPERATION_DECRYPT, ciphering_new, ciphering_free});
}

static CK_RV update(CK_SESSION_HANDLE session, enum operation_kind kind, const void *part, CK_ULONG length,
        CK_BYTE *out, CK_ULONG *out_length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        CK_ULONG needed;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take(module, session, kind, &operation);
        if (rv != CKR_OK)
                return rv;
        if (!out_length || (!part && length > 0))
                return CKR_ARGUMENTS_BAD;
        operation->begun = true;
        needed = ciphering_part(operation->state, length);
        if (out && *out_length >= needed)
                rv = ciphering_update(operation->state, module, part, length, out);
        else if (out)
                rv = CKR_BUFFER_TOO_SMALL;
        *out_length = needed;
        if (rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL)
                p11_session_put(module, session, TAKE_PTR(operation));
        return rv;
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
        CK_BYTE_PTR pEncryptedPart, CK_ULONG_PTR pulEncryptedPartLen)
{
        return update(hSession, OPERATION_ENCRYPT, pPart, ulPartLen, pEncryptedPart, pulEncryptedPartLen);
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart, CK_ULONG ulEncryptedPartLen,
        CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)
{
        return update(hSession, OPERATION_DECRYPT, pEncryptedPart, ulEncryptedPartLen, pPart, pulPartLen);
}

/* whole: of C_Encrypt() and C_Decrypt(), whose input comes at once. */
static CK_RV end(CK_SESSION_HANDLE session, enum operation_kind kind, const void *data, CK_ULONG data_length,
        bool whole, CK_BYTE *out, CK_ULONG *length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        const uint8_t *made;
        CK_ULONG room;
        size_t needed;
        bool exact;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take_to_end(
                module, session, kind, whole, length && (data || data_length == 0), &operation);
        if (rv != CKR_OK)
                return rv;
        room = *length;
        needed = ciphering_rest(operation->state, data_length, &exact);
        if (out && !(exact && room < needed)) {
                rv = ciphering_end(operation->state, module, data, data_length, &made, &needed);
                if (rv != CKR_OK)
                        return rv;
        }
        *length = needed;
        if (!out || room < needed) {
                p11_session_put(module, session, TAKE_PTR(operation));
                return out ? CKR_BUFFER_TOO_SMALL : CKR_OK;
        }
        if (needed > 0)
                memcpy(out, made, needed);
        return CKR_OK;
}

CK_RV C_Encrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pEncryptedData,
        CK_ULONG_PTR pulEncryptedDataLen)
{
        return end(hSession, OPERATION_ENCRYPT, pData, ulDataLen, true, pEncryptedData, pulEncryptedDataLen);
}

CK_RV C_EncryptFinal(
        CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastEncryptedPart, CK_ULONG_PTR pulLastEncryptedPartLen)
{
        return end(hSession, OPERATION_ENCRYPT, NULL, 0, false, pLastEncryptedPart, pulLastEncryptedPartLen);
}

CK_RV C_Decrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedData, CK_ULONG ulEncryptedDataLen,
        CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)
{
        return end(hSession, OPERATION_DECRYPT, pEncryptedData, ulEncryptedDataLen, true, pData, pulDataLen);
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastPart, CK_ULONG_PTR pulLastPartLen)
{
        return end(hSession, OPERATION_DECRYPT, NULL, 0, false, pLastPart, pulLastPartLen);
}
