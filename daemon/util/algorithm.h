/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Key types, curves, usages, hashes and signature algorithms, each in one table: the numbers that travel between our
 * processes, the names that travel on the wire (proto/io.tokend.Keys.varlink), the mechanisms of PKCS #11, and which
 * algorithm fits which key. The broker, the worker, the client library and tokendctl read these tables; none of them
 * has a table of its own. All functions are pure and thread-safe. All strings are static.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

enum key_type {
        KEY_RSA = 1,
        KEY_EC = 2,
        KEY_ED25519 = 3,
        KEY_TYPE_MAX_,
};

enum hash {
        HASH_NONE = 0, /* Ed25519 hashes the message itself; of a raw algorithm, the caller has hashed */
        HASH_SHA256,
        HASH_SHA384,
        HASH_SHA512,
        HASH_SHA1,
        HASH_MAX_,
};

/* How the bytes that C_Sign gets are made from the digest. */
enum scheme {
        SCHEME_PKCS1, /* a DigestInfo around it; without a hash, as it is */
        SCHEME_PSS,   /* the digest, and the hash in the mechanism's parameters */
        SCHEME_ECDSA, /* the digest, cut to the length of the curve */
        SCHEME_EDDSA, /* no digest: the message itself */
};

/*
 * The signature algorithms. A new algorithm that uses a hash and a scheme of the above needs a row here and its name in
 * proto/io.tokend.Keys.varlink. Append it: the position is the number that travels between our processes.
 *
 * A row without an AlgorithmIdentifier is a raw algorithm: what it signs cannot be told from the name, or the hash is
 * broken. It wants a right of its own, and signs no certificate.
 *
 *      X(constant, name on the wire, key type, scheme, hash, mechanism, hashing mechanism, default for, AlgorithmIdentifier)
 *
 * "hashing mechanism": the one of the device that hashes the message itself; for keys and tokens that have that alone. 0: none.
 * "default for": the size in bits of the keys for which this algorithm is the default; ANY_SIZE; 0 for no key.
 * "AlgorithmIdentifier": as in a certificate, in DER; algorithm.c has these macros.
 */
#define ANY_SIZE 1U
/* clang-format off */
#define ALGORITHM_LIST(X) \
        X(RSA_PKCS1_SHA256, "rsa_pkcs1_sha256", KEY_RSA, SCHEME_PKCS1, HASH_SHA256, CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS, ANY_SIZE, PKCS1_ID("\x0b")) \
        X(RSA_PKCS1_SHA384, "rsa_pkcs1_sha384", KEY_RSA, SCHEME_PKCS1, HASH_SHA384, CKM_RSA_PKCS, CKM_SHA384_RSA_PKCS, 0, PKCS1_ID("\x0c")) \
        X(RSA_PKCS1_SHA512, "rsa_pkcs1_sha512", KEY_RSA, SCHEME_PKCS1, HASH_SHA512, CKM_RSA_PKCS, CKM_SHA512_RSA_PKCS, 0, PKCS1_ID("\x0d")) \
        X(RSA_PSS_SHA256, "rsa_pss_sha256", KEY_RSA, SCHEME_PSS, HASH_SHA256, CKM_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS_PSS, 0, PSS_ID("\x01", "\x20")) \
        X(RSA_PSS_SHA384, "rsa_pss_sha384", KEY_RSA, SCHEME_PSS, HASH_SHA384, CKM_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS_PSS, 0, PSS_ID("\x02", "\x30")) \
        X(RSA_PSS_SHA512, "rsa_pss_sha512", KEY_RSA, SCHEME_PSS, HASH_SHA512, CKM_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS_PSS, 0, PSS_ID("\x03", "\x40")) \
        X(ECDSA_SHA256, "ecdsa_sha256", KEY_EC, SCHEME_ECDSA, HASH_SHA256, CKM_ECDSA, CKM_ECDSA_SHA256, 256, ECDSA_ID("\x02")) \
        X(ECDSA_SHA384, "ecdsa_sha384", KEY_EC, SCHEME_ECDSA, HASH_SHA384, CKM_ECDSA, CKM_ECDSA_SHA384, 384, ECDSA_ID("\x03")) \
        X(ECDSA_SHA512, "ecdsa_sha512", KEY_EC, SCHEME_ECDSA, HASH_SHA512, CKM_ECDSA, CKM_ECDSA_SHA512, 521, ECDSA_ID("\x04")) \
        X(ED25519, "ed25519", KEY_ED25519, SCHEME_EDDSA, HASH_NONE, CKM_EDDSA, 0, 255, ED25519_ID) \
        X(RSA_PKCS1, "rsa_pkcs1", KEY_RSA, SCHEME_PKCS1, HASH_NONE, CKM_RSA_PKCS, 0, 0, NULL) \
        X(RSA_PSS_SHA1, "rsa_pss_sha1", KEY_RSA, SCHEME_PSS, HASH_SHA1, CKM_RSA_PKCS_PSS, CKM_SHA1_RSA_PKCS_PSS, 0, NULL) \
        X(ECDSA, "ecdsa", KEY_EC, SCHEME_ECDSA, HASH_NONE, CKM_ECDSA, 0, 0, NULL)
/* clang-format on */

#define ALGORITHM_CONSTANT(constant, ...) constant,
enum algorithm {
        ALGORITHM_NONE_ = 0,
        ALGORITHM_LIST(ALGORITHM_CONSTANT) ALGORITHM_MAX_,
};
#undef ALGORITHM_CONSTANT

struct algorithm_info {
        const char *name;
        enum key_type key_type;
        enum scheme scheme;
        enum hash hash;
        uint64_t mechanism;   /* CKM_ */
        uint64_t hashing;     /* CKM_, or 0 */
        unsigned default_for; /* bits; ANY_SIZE; 0 */
        /* AlgorithmIdentifier, a SEQUENCE in DER of 2 + identifier[1] bytes; NULL: a raw algorithm. */
        const uint8_t *identifier;
};

struct hash_info {
        size_t length;      /* bytes of the digest */
        uint64_t mechanism; /* CKM_ */
        uint64_t mgf;       /* CKG_, the mask generation function of PSS with this hash */
        uint8_t arc;        /* the last arc of its OID, below 2.16.840.1.101.3.4.2; 0: it is not there */
};

/* A mask. */
enum key_usage {
        USAGE_SIGN = 1,
        USAGE_DECRYPT = 2,
        USAGE_UNWRAP = 4,
        USAGE_DERIVE = 8,
        /* Of secret keys alone. */
        USAGE_ENCRYPT = 16,
        USAGE_WRAP = 32,
};

struct key_type_info {
        const char *name;
        uint64_t generator; /* CKM_ of C_GenerateKeyPair */
        unsigned usages;    /* mask of enum key_usage: what such a key can do at all */
};

/* NULL where there is no algorithm of this number. */
const struct algorithm_info *algorithm_info(unsigned algorithm);
/* 0 where there is no algorithm of this name. */
unsigned algorithm_from_name(const char *name);

/* The algorithm that a key of this type and size (bits) signs with where none is named: its digest is as strong as the
 * key. 0 where there is none. */
unsigned algorithm_default(unsigned key_type, unsigned bits);

/* Whether a key of this type and size (bits) can make such a signature at all: PSS needs room for hash and salt of the
 * same length (RFC 8017, 9.1.1), PKCS #1 for the DigestInfo (9.2). */
bool algorithm_fits(unsigned algorithm, unsigned key_type, unsigned bits);

/* false where there is no such algorithm. */
bool algorithm_is_raw(unsigned algorithm);

/* Whether it signs a digest of that length with a key of that size (bits); whether it signs a message. For one that has no hash
 * in its name, what the caller has hashed may have 1 byte to DIGEST_MAX, or to all that PKCS #1 can pad. */
bool algorithm_takes_digest(unsigned algorithm, unsigned bits, size_t length);
bool algorithm_takes_message(unsigned algorithm);

/* Whether it is of PSS, and its salt may have so many bytes with a key of that size (bits). */
bool algorithm_takes_salt(unsigned algorithm, unsigned bits, size_t salt);

/* NULL for HASH_NONE, and where there is no hash of this number. */
const struct hash_info *hash_info(unsigned hash);
/* Bytes of the digest: 20, 32, 48, at most DIGEST_MAX; 0 for HASH_NONE. */
#define DIGEST_MAX 64U
size_t hash_length(unsigned hash);

/* NULL where there is no key type of this number. */
const struct key_type_info *key_type_info(unsigned key_type);
/* NULL, or 0, where there is none. */
const char *key_type_name(unsigned key_type);
unsigned key_type_from_name(const char *name);

/* Curves by their size in bits: 256, 384, 521; 255 is ed25519. NULL, or 0, where there is none. */
const char *curve_name(unsigned bits);
unsigned curve_from_name(const char *name);

/* One bit of enum key_usage. NULL, or 0, where there is none. */
const char *usage_name(unsigned bit);
unsigned usage_from_name(const char *name);
