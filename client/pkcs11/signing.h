/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One signature that is being made or verified: the message is hashed here, and the daemon is asked once, at the end. Used by one
 * thread at a time.
 */
#pragma once

#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

struct p11_signing;

/* Checks that key, mechanism and its parameters fit each other. kind: OPERATION_SIGN or OPERATION_VERIFY. *ret, a struct p11_signing, takes a reference to the key.
 * CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_HOST_MEMORY. */
CK_RV signing_new(
        const CK_MECHANISM *mechanism, enum operation_kind kind, struct p11_object *key, void **ret);
void signing_free(void *signing);

/* CKR_DATA_LEN_RANGE: more than such a signature can be of. CKR_HOST_MEMORY. */
CK_RV signing_add(struct p11_signing *signing, const void *data, size_t length);

/* Bytes of the signature. */
size_t signing_length(const struct p11_signing *signing);

/* Asks the daemon. signature has signing_length() bytes. CKR_DATA_LEN_RANGE and what a call gives. */
CK_RV signing_make(struct p11_signing *signing, struct tokend *handle, int timeout_ms, uint8_t *signature);
/* CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE too. */
CK_RV signing_verify(struct p11_signing *signing, struct tokend *handle, int timeout_ms,
        const uint8_t *signature, size_t length);
