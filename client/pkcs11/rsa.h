/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Encrypting with the public half of an RSA key, in the program: the daemon need not be asked for what anybody can do. SunPKCS11 decrypts
 * by RSA only on a token that encrypts by it as well. Thread-safe.
 */
#pragma once

#include "client/pkcs11/hash.h"
#include "daemon/util/spki.h"

#define RSA_BYTES_MAX 1024U /* of a modulus */

struct rsa_padding {
        const struct module_hash *oaep; /* the hash of OAEP and of its MGF1; NULL: PKCS #1 v1.5 */
        const void *label;              /* of OAEP */
        size_t label_length;
};

/* spki: of the key. ret: as many bytes as its modulus has. CKR_KEY_TYPE_INCONSISTENT: it is no RSA key, or a longer one;
 * CKR_DATA_LEN_RANGE: there is no room for the message; CKR_HOST_MEMORY; CKR_FUNCTION_FAILED: the kernel gave no random bytes. */
CK_RV rsa_encrypt(
        struct der spki, const struct rsa_padding *padding, const void *message, size_t length, uint8_t *ret);
