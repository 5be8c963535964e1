/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Key types, curves, usages and signature algorithms: the numbers that travel between our processes, the names
 * that travel on the wire (PROTOCOL.md), and what fits what. No mechanism of PKCS #11 here: the worker's.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

enum key_type {
        KEY_RSA = 1,
        KEY_EC = 2,
        KEY_ED25519 = 3,
};

enum hash {
        HASH_NONE = 0, /* ed25519 hashes by itself */
        HASH_SHA256,
        HASH_SHA384,
        HASH_SHA512,
};

enum algorithm {
        RSA_PKCS1_SHA256 = 1,
        RSA_PKCS1_SHA384,
        RSA_PKCS1_SHA512,
        RSA_PSS_SHA256,
        RSA_PSS_SHA384,
        RSA_PSS_SHA512,
        ECDSA_SHA256,
        ECDSA_SHA384,
        ECDSA_SHA512,
        ED25519,
        ALGORITHM_MAX_,
};

enum scheme {
        SCHEME_PKCS1,
        SCHEME_PSS,
        SCHEME_ECDSA,
        SCHEME_EDDSA,
};

struct algorithm_info {
        const char *name;
        enum key_type key_type;
        enum scheme scheme;
        enum hash hash;
};

/* A mask; the names are those of PROTOCOL.md's Key.usage. */
enum key_usage {
        USAGE_SIGN = 1,
        USAGE_DECRYPT = 2,
        USAGE_UNWRAP = 4,
        USAGE_DERIVE = 8,
};

/* NULL where the number or the name is none of ours. */
const struct algorithm_info *algorithm_info(unsigned algorithm);
/* 0 where the name is none. */
unsigned algorithm_from_name(const char *name);

/* Bytes of the digest: 32, 48, 64; 0 for HASH_NONE. */
size_t hash_length(enum hash hash);

/* Whether a key of this type and size (bits) can make such a signature at all: PSS needs room for hash and
 * salt of the same length (RFC 8017, 9.1.1), PKCS #1 for the DigestInfo (9.2). */
bool algorithm_fits(unsigned algorithm, unsigned key_type, unsigned bits);

/* NULL, or 0, where there is none. */
const char *key_type_name(unsigned key_type);
unsigned key_type_from_name(const char *name);

/* Curves, named by their size in bits: 256, 384, 521; 255 is ed25519. */
const char *curve_name(unsigned bits);
unsigned curve_from_name(const char *name);

const char *usage_name(unsigned bit);
unsigned usage_from_name(const char *name);
