/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Signing and verifying. A question for the size, and a buffer that is too small, leave the operation as it was and cost no
 * request; everything else ends it.
 */
#include "client/pkcs11/begin.h"
#include "client/pkcs11/session.h"
#include "client/pkcs11/signing.h"

CK_RV C_SignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
        return begin_with_key(hSession, pMechanism, hKey,
                &(struct operation_with_key){OPERATION_SIGN, signing_new, signing_free});
}

CK_RV C_VerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
        return begin_with_key(hSession, pMechanism, hKey,
                &(struct operation_with_key){OPERATION_VERIFY, signing_new, signing_free});
}

/* Adds a part. What cannot be a part ends the operation. */
static CK_RV update(CK_SESSION_HANDLE session, enum operation_kind kind, const void *part, CK_ULONG length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take(module, session, kind, &operation);
        if (rv != CKR_OK)
                return rv;
        if (!part && length > 0)
                return CKR_ARGUMENTS_BAD;
        operation->begun = true;
        rv = signing_add(operation->state, part, length);
        if (rv == CKR_OK)
                p11_session_put(module, session, TAKE_PTR(operation));
        return rv;
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
        return update(hSession, OPERATION_SIGN, pPart, ulPartLen);
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
        return update(hSession, OPERATION_VERIFY, pPart, ulPartLen);
}

/* data NULL, whole: of C_Sign(), whose input comes at once; else of C_SignFinal(). */
static CK_RV sign(CK_SESSION_HANDLE session, const void *data, CK_ULONG data_length, bool whole,
        CK_BYTE *signature, CK_ULONG *length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        CK_ULONG needed;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take_to_end(
                module, session, OPERATION_SIGN, whole, length && (data || data_length == 0), &operation);
        if (rv != CKR_OK)
                return rv;
        needed = signing_length(operation->state);
        if (!signature || *length < needed) {
                *length = needed;
                p11_session_put(module, session, TAKE_PTR(operation));
                return signature ? CKR_BUFFER_TOO_SMALL : CKR_OK;
        }
        if (whole)
                rv = signing_add(operation->state, data, data_length);
        if (rv == CKR_OK)
                rv = signing_make(operation->state, module->calls, module->settings.timeout_ms, signature);
        if (rv == CKR_OK)
                *length = needed;
        return rv;
}

CK_RV C_Sign(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature,
        CK_ULONG_PTR pulSignatureLen)
{
        return sign(hSession, pData, ulDataLen, true, pSignature, pulSignatureLen);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
        return sign(hSession, NULL, 0, false, pSignature, pulSignatureLen);
}

static CK_RV verify(CK_SESSION_HANDLE session, const void *data, CK_ULONG data_length, bool whole,
        const CK_BYTE *signature, CK_ULONG length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take_to_end(module, session, OPERATION_VERIFY, whole,
                signature && (data || data_length == 0), &operation);
        if (rv != CKR_OK)
                return rv;
        if (whole)
                rv = signing_add(operation->state, data, data_length);
        if (rv == CKR_OK)
                rv = signing_verify(
                        operation->state, module->calls, module->settings.timeout_ms, signature, length);
        return rv;
}

CK_RV C_Verify(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature,
        CK_ULONG ulSignatureLen)
{
        return verify(hSession, pData, ulDataLen, true, pSignature, ulSignatureLen);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
        return verify(hSession, NULL, 0, false, pSignature, ulSignatureLen);
}
