/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One encryption or decryption. Blocks of ECB and CBC are sent to the daemon as they come, and come back at once: programs have room at
 * the end for one block alone. All else (RSA, GCM) is collected, and is one request at the end. Used by one thread at a time.
 */
#pragma once

#include "client/pkcs11/session.h"

struct p11_ciphering;

/* Checks that key and mechanism fit each other. kind: OPERATION_ENCRYPT or OPERATION_DECRYPT. *ret, a struct p11_ciphering, takes a reference to the key.
 * CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT,
 * CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_HOST_MEMORY. */
CK_RV ciphering_new(
        const CK_MECHANISM *mechanism, enum operation_kind kind, struct p11_object *key, void **ret);
void ciphering_free(void *ciphering);

/* Bytes that ciphering_update() gives for a part of this length. */
size_t ciphering_part(const struct p11_ciphering *ciphering, size_t length);
/* out has as many bytes. CKR_DATA_LEN_RANGE, CKR_ENCRYPTED_DATA_LEN_RANGE: more than there can be. CKR_HOST_MEMORY and what a call
 * gives. */
CK_RV ciphering_update(struct p11_ciphering *ciphering, const struct module *module, const void *part,
        size_t length, uint8_t *out);

/* Bytes that the end will give, after so many more; at most so many, if not `exact`. */
size_t ciphering_rest(const struct p11_ciphering *ciphering, size_t length, bool *ret_exact);
/* Ends it, once: what came out stays in the operation, and is wiped with it. Errors as for ciphering_update(), and
 * CKR_ENCRYPTED_DATA_INVALID, whatever is wrong with a padding or a tag. */
CK_RV ciphering_end(struct p11_ciphering *ciphering, const struct module *module, const void *rest,
        size_t length, const uint8_t **ret, size_t *ret_length);
