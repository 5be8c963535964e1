/* SPDX-License-Identifier: MPL-2.0 */
/* How an operation with a key begins: C_SignInit(), C_VerifyInit(), C_EncryptInit(), C_DecryptInit(). */
#pragma once

#include "client/pkcs11/session.h"

/* Begins an operation with a key, as C_SignInit() does: no mechanism ends one of its kind (PKCS #11 3.0). make: checks mechanism and key,
 * and gives the operation's state. What it gives, CKR_ARGUMENTS_BAD, CKR_KEY_HANDLE_INVALID, and as p11_session_begin(). */
struct operation_with_key {
        enum operation_kind kind;
        CK_RV(*make)
        (const CK_MECHANISM *mechanism, enum operation_kind kind, struct p11_object *key, void **ret);
        void (*free_state)(void *state);
};
CK_RV begin_with_key(CK_SESSION_HANDLE handle, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
        const struct operation_with_key *operation);
