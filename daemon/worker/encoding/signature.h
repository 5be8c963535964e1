/* SPDX-License-Identifier: MPL-2.0 */
/* Signatures between the form of PKCS #11 and that of everybody else, and what RSA PKCS #1 signs. Pure. */
#pragma once

#include "daemon/util/algorithm.h"
#include "daemon/util/der.h"

/* An ECDSA signature of PKCS #11 (r || s, each raw_length / 2 bytes) as SEQUENCE { INTEGER, INTEGER }.
 * Returns the length. 0: r or s is zero, or raw_length is odd or not within 2 to 132. */
#define SIGNATURE_DER_MAX 141U
size_t signature_to_der(const uint8_t *raw, size_t raw_length, uint8_t out[static SIGNATURE_DER_MAX]);

/* The way back, strictly: minimal positive integers of at most raw_length / 2 bytes, and nothing behind
 * them. */
bool signature_from_der(struct der der, uint8_t *raw, size_t raw_length);

/* SEQUENCE { AlgorithmIdentifier of the hash, OCTET STRING digest } (RFC 8017, 9.2). The digest has
 * hash_length(hash) bytes. Returns the length; 0 for HASH_NONE. */
#define SIGNATURE_DIGEST_INFO_MAX 83U
size_t signature_digest_info(
        enum hash hash, const uint8_t *digest, uint8_t out[static SIGNATURE_DIGEST_INFO_MAX]);
