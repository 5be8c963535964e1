/* SPDX-License-Identifier: MPL-2.0 */
/* The hashes that the module makes by itself, so that a message of any length is one request. Pure. */
#pragma once

#include <nss/pkcs11.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest digest. */
#define MODULE_DIGEST_MAX 64U

struct module_hash {
        const char
                *name; /* in names of algorithms: "sha256"; of the daemon's alone: sha1 and sha224 are not */
        CK_MECHANISM_TYPE mechanism;
        CK_MECHANISM_TYPE mgf; /* CKG_MGF1_ */
        size_t length;
        uint8_t info[20]; /* what stands before the digest in a DigestInfo (RFC 8017, 9.2) */
        size_t info_length;
};

/* NULL: there is no such hash here. */
const struct module_hash *module_hash_of(CK_MECHANISM_TYPE mechanism);
/* The hash of a DigestInfo, or NULL: it is none. *ret_digest: the digest in it. */
const struct module_hash *module_hash_of_info(const uint8_t *info, size_t length, const uint8_t **ret_digest);

struct hashing;
/* NULL: no memory. */
struct hashing *hashing_new(const struct module_hash *hash);
void hashing_free(struct hashing *hashing);
void hashing_add(struct hashing *hashing, const void *data, size_t length);
/* Writes hash->length bytes, and begins anew. */
void hashing_end(struct hashing *hashing, uint8_t *ret);
