/* SPDX-License-Identifier: MPL-2.0 */
/* Digests, which are made here. */
#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

struct digesting {
        const struct module_hash *hash;
        struct hashing *hashing;
};

static void digesting_free(void *pointer)
{
        struct digesting *digesting = pointer;

        if (digesting)
                hashing_free(digesting->hashing);
        free(digesting);
}

CK_RV C_DigestInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism)
{
        const struct mechanism *mechanism;
        struct digesting *digesting;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism)
                return p11_session_cancel(module, hSession, OPERATION_DIGEST);
        mechanism = mechanism_find(pMechanism->mechanism);
        if (!mechanism || !(mechanism->flags & CKF_DIGEST))
                return CKR_MECHANISM_INVALID;
        if (pMechanism->ulParameterLen > 0)
                return CKR_MECHANISM_PARAM_INVALID;
        digesting = calloc(1, sizeof(*digesting));
        if (!digesting)
                return CKR_HOST_MEMORY;
        digesting->hash = module_hash_of(mechanism->hash);
        digesting->hashing = hashing_new(digesting->hash);
        if (!digesting->hashing) {
                digesting_free(digesting);
                return CKR_HOST_MEMORY;
        }
        return p11_session_begin(
                module, hSession, operation_new(OPERATION_DIGEST, digesting, digesting_free));
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        struct digesting *digesting;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take(module, hSession, OPERATION_DIGEST, &operation);
        if (rv != CKR_OK)
                return rv;
        if (!pPart && ulPartLen > 0)
                return CKR_ARGUMENTS_BAD;
        digesting = operation->state;
        operation->begun = true;
        hashing_add(digesting->hashing, pPart, ulPartLen);
        p11_session_put(module, hSession, TAKE_PTR(operation));
        return CKR_OK;
}

/* whole: of C_Digest(), whose input comes at once. */
static CK_RV end(CK_SESSION_HANDLE session, const void *data, CK_ULONG data_length, bool whole,
        CK_BYTE *digest, CK_ULONG *length)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;
        struct digesting *digesting;
        CK_ULONG room;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_take_to_end(
                module, session, OPERATION_DIGEST, whole, length && (data || data_length == 0), &operation);
        if (rv != CKR_OK)
                return rv;
        digesting = operation->state;
        room = *length;
        *length = digesting->hash->length;
        if (!digest || room < *length) {
                p11_session_put(module, session, TAKE_PTR(operation));
                return digest ? CKR_BUFFER_TOO_SMALL : CKR_OK;
        }
        hashing_add(digesting->hashing, data, data_length);
        hashing_end(digesting->hashing, digest);
        return CKR_OK;
}

CK_RV C_Digest(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pDigest,
        CK_ULONG_PTR pulDigestLen)
{
        return end(hSession, pData, ulDataLen, true, pDigest, pulDigestLen);
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen)
{
        return end(hSession, NULL, 0, false, pDigest, pulDigestLen);
}
