/* SPDX-License-Identifier: MPL-2.0 */
/* The public half of a private key that is a session object. Errors as in operation.h. */
#pragma once

#include "daemon/worker/secrets/secret-object.h"

/* What secret_public() needs the object to be able to do, beside what it is for: a mask of enum key_usage. */
unsigned secret_public_usage(unsigned type);

/* Its SubjectPublicKeyInfo, which the caller frees; NULL: the token does not tell it. PKCS #11 gives a private EC key no public point: it
 * is computed on the token, as the secret that the key shares with the curve's generator. */
int secret_public(struct operation *operation, CK_OBJECT_HANDLE handle, const struct secret_shape *shape,
        uint8_t **ret, size_t *ret_length);
