/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The functions that the module does not have, each with its reason. The tables of functions need all of them.
 *
 * PINs are the daemon's; tokens are set up by their own tools. No program needs the rest.
 */
#include "client/pkcs11/module.h"

/* Of functions that have no session to check. */
#define REFUSED(name, arguments)                                                                             \
        CK_RV name arguments                                                                                 \
        {                                                                                                    \
                ENTER_MODULE;                                                                                \
                return CKR_FUNCTION_NOT_SUPPORTED;                                                           \
        }

#define SESSION     CK_SESSION_HANDLE hSession
#define BYTES(name) CK_BYTE_PTR p##name, CK_ULONG ul##name##Len
#define OUT(name)   CK_BYTE_PTR p##name, CK_ULONG_PTR pul##name##Len
#define PARAMETER   CK_VOID_PTR pParameter, CK_ULONG ulParameterLen

REFUSED(C_InitToken, (CK_SLOT_ID slotID, CK_CHAR_PTR pPin, CK_ULONG ulPinLen, CK_CHAR_PTR pLabel))
REFUSED(C_InitPIN, (SESSION, CK_CHAR_PTR pPin, CK_ULONG ulPinLen))
REFUSED(C_SetPIN, (SESSION, CK_CHAR_PTR pOldPin, CK_ULONG ulOldLen, CK_CHAR_PTR pNewPin, CK_ULONG ulNewLen))
REFUSED(C_GetOperationState, (SESSION, CK_BYTE_PTR pOperationState, CK_ULONG_PTR pulOperationStateLen))
REFUSED(C_SetOperationState, (SESSION, CK_BYTE_PTR pOperationState, CK_ULONG ulOperationStateLen,
                                     CK_OBJECT_HANDLE hEncryptionKey, CK_OBJECT_HANDLE hAuthenticationKey))
REFUSED(C_DigestKey, (SESSION, CK_OBJECT_HANDLE hKey))
REFUSED(C_SignRecoverInit, (SESSION, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey))
REFUSED(C_SignRecover, (SESSION, BYTES(Data), OUT(Signature)))
REFUSED(C_VerifyRecoverInit, (SESSION, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey))
REFUSED(C_VerifyRecover, (SESSION, BYTES(Signature), OUT(Data)))
REFUSED(C_DigestEncryptUpdate, (SESSION, BYTES(Part), OUT(EncryptedPart)))
REFUSED(C_DecryptDigestUpdate, (SESSION, BYTES(EncryptedPart), OUT(Part)))
REFUSED(C_SignEncryptUpdate, (SESSION, BYTES(Part), OUT(EncryptedPart)))
REFUSED(C_DecryptVerifyUpdate, (SESSION, BYTES(EncryptedPart), OUT(Part)))

/* Functions that run beside the program were left behind by PKCS #11 2.01. */
CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE hSession)
{
        return CKR_FUNCTION_NOT_PARALLEL;
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE hSession)
{
        return CKR_FUNCTION_NOT_PARALLEL;
}

/* The message functions of PKCS #11 3.0. */
#define INIT      (SESSION, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
#define WITH_DATA PARAMETER, BYTES(AssociatedData)
REFUSED(C_MessageEncryptInit, INIT)
REFUSED(C_EncryptMessage, (SESSION, WITH_DATA, BYTES(Plaintext), OUT(Ciphertext)))
REFUSED(C_EncryptMessageBegin, (SESSION, WITH_DATA))
REFUSED(C_EncryptMessageNext, (SESSION, PARAMETER, BYTES(Plaintext), OUT(Ciphertext), CK_FLAGS flags))
REFUSED(C_MessageEncryptFinal, (SESSION))
REFUSED(C_MessageDecryptInit, INIT)
REFUSED(C_DecryptMessage, (SESSION, WITH_DATA, BYTES(Ciphertext), OUT(Plaintext)))
REFUSED(C_DecryptMessageBegin, (SESSION, WITH_DATA))
REFUSED(C_DecryptMessageNext, (SESSION, PARAMETER, BYTES(Ciphertext), OUT(Plaintext), CK_FLAGS flags))
REFUSED(C_MessageDecryptFinal, (SESSION))
REFUSED(C_MessageSignInit, INIT)
REFUSED(C_SignMessage, (SESSION, PARAMETER, BYTES(Data), OUT(Signature)))
REFUSED(C_SignMessageBegin, (SESSION, PARAMETER))
REFUSED(C_SignMessageNext, (SESSION, PARAMETER, BYTES(Data), OUT(Signature)))
REFUSED(C_MessageSignFinal, (SESSION))
REFUSED(C_MessageVerifyInit, INIT)
REFUSED(C_VerifyMessage, (SESSION, PARAMETER, BYTES(Data), BYTES(Signature)))
REFUSED(C_VerifyMessageBegin, (SESSION, PARAMETER))
REFUSED(C_VerifyMessageNext, (SESSION, PARAMETER, BYTES(Data), BYTES(Signature)))
REFUSED(C_MessageVerifyFinal, (SESSION))
