/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The little DER that the worker writes and reads itself: ECDSA signatures, DigestInfo, and the way to the
 * SubjectPublicKeyInfo in a certificate. Pure; trusts no length; touches no token.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/macros.h"

struct der {
        const uint8_t *data;
        size_t length;
};

/* Takes the next element off *in: its tag, its content. DER alone: definite, shortest lengths, one-byte tags.
 */
bool der_next(struct der *in, uint8_t *ret_tag, struct der *ret_content);

/* Bytes that tag and length of n bytes of content take; writes them and returns how many. out may be NULL. */
size_t der_head(uint8_t *out, uint8_t tag, size_t n);

/* r || s, each raw_length / 2 bytes, to SEQUENCE { INTEGER, INTEGER }. raw_length is even, 2 to 132.
 * Returns the length; out holds DER_ECDSA_MAX. 0: r or s is zero, or raw_length is not as said. */
#define DER_ECDSA_MAX 141U
size_t der_from_ecdsa(const uint8_t *raw, size_t raw_length, uint8_t out[static DER_ECDSA_MAX]);

/* The way back, strictly: minimal positive integers of at most raw_length / 2 bytes, nothing behind them. */
bool der_to_ecdsa(const uint8_t *der, size_t length, uint8_t *raw, size_t raw_length);

/* SEQUENCE { AlgorithmIdentifier of the hash, OCTET STRING digest }: what RSA PKCS #1 v1.5 signs (RFC
 * 8017, 9.2). The digest is of hash_length(hash) bytes. Returns the length. */
#define DER_DIGEST_INFO_MAX 83U
size_t der_digest_info(enum hash hash, const uint8_t *digest, uint8_t out[static DER_DIGEST_INFO_MAX]);

/* The SubjectPublicKeyInfo, whole, within a certificate. */
bool der_spki_of_certificate(struct der certificate, struct der *ret);
