/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The types of secret keys, and the algorithms that wrap, encrypt and derive, each in one table: the numbers that travel
 * between our processes, the names on the wire (proto/io.tokend.Secrets.varlink), the mechanisms of PKCS #11, and what each
 * wants. The broker and the worker read these tables and have none of their own. Pure, thread-safe. All strings are static.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

enum secret_type {
        SECRET_AES = 1,
        SECRET_DES2,
        SECRET_DES3,
        SECRET_GENERIC,
        SECRET_RSA, /* a private key that passes through, sealed */
        SECRET_EC,  /* likewise */
        SECRET_TYPE_MAX_,
};

struct secret_type_info {
        const char *name;
        uint64_t generator; /* CKM_ of C_GenerateKey or C_GenerateKeyPair */
        uint64_t key_type;  /* CKK_ */
        unsigned usages;    /* mask of enum key_usage: what such a key can do at all */
        bool is_private;
};

/* What an algorithm does; a mask. */
enum secret_does {
        DOES_WRAP = 1, /* and unwraps */
        DOES_CIPHER = 2,
        DOES_DERIVE = 4,
};

/* What the parameter of its mechanism is. */
enum secret_form {
        FORM_NONE,
        FORM_IV,
        FORM_GCM,
        FORM_OAEP,
        FORM_ECDH,
        FORM_DATA, /* the bytes that are encrypted */
        FORM_BIT,
        FORM_KEY, /* a handle */
};

/*
 * The algorithms. A new one that has one of the forms above needs a row here, and its name in
 * proto/io.tokend.Secrets.varlink. Append it: the position is the number that travels between our processes.
 *
 *      X(constant, name, what it does, types of the key that it uses, mechanism, form, bytes of IV, unit, of private keys)
 *
 * "unit": what it wraps or encrypts is a multiple of so many bytes; 1 if it pads. "of private keys": it can wrap them.
 */
#define SECRET_BIT(type) (1U << (type))
#define SECRETS_AES      SECRET_BIT(SECRET_AES)
#define SECRETS_DES      (SECRET_BIT(SECRET_DES2) | SECRET_BIT(SECRET_DES3))
#define SECRETS_ALL      (SECRETS_AES | SECRETS_DES | SECRET_BIT(SECRET_GENERIC))
/* clang-format off */
#define SECRET_ALGORITHMS(X) \
        X(WRAP_RSA_PKCS1, "rsa_pkcs1", DOES_WRAP, SECRET_BIT(SECRET_RSA), CKM_RSA_PKCS, FORM_NONE, 0, 1, false) \
        X(WRAP_OAEP_SHA1, "rsa_oaep_sha1", DOES_WRAP, SECRET_BIT(SECRET_RSA), CKM_RSA_PKCS_OAEP, FORM_OAEP, 0, 1, false) \
        X(WRAP_OAEP_SHA256, "rsa_oaep_sha256", DOES_WRAP, SECRET_BIT(SECRET_RSA), CKM_RSA_PKCS_OAEP, FORM_OAEP, 0, 1, false) \
        X(AES_CBC, "aes_cbc", DOES_WRAP | DOES_CIPHER, SECRETS_AES, CKM_AES_CBC, FORM_IV, 16, 16, false) \
        X(AES_CBC_PAD, "aes_cbc_pad", DOES_WRAP | DOES_CIPHER, SECRETS_AES, CKM_AES_CBC_PAD, FORM_IV, 16, 1, true) \
        X(AES_KW, "aes_kw", DOES_WRAP, SECRETS_AES, CKM_AES_KEY_WRAP, FORM_NONE, 0, 8, false) \
        X(AES_KWP, "aes_kwp", DOES_WRAP, SECRETS_AES, CKM_AES_KEY_WRAP_KWP, FORM_NONE, 0, 1, true) \
        X(DES3_ECB, "des3_ecb", DOES_WRAP | DOES_CIPHER, SECRETS_DES, CKM_DES3_ECB, FORM_NONE, 0, 8, false) \
        X(DES3_CBC_PAD, "des3_cbc_pad", DOES_WRAP | DOES_CIPHER, SECRETS_DES, CKM_DES3_CBC_PAD, FORM_IV, 8, 1, true) \
        X(AES_ECB, "aes_ecb", DOES_CIPHER, SECRETS_AES, CKM_AES_ECB, FORM_NONE, 0, 16, false) \
        X(AES_GCM, "aes_gcm", DOES_CIPHER, SECRETS_AES, CKM_AES_GCM, FORM_GCM, 12, 1, false) \
        X(DES3_CBC, "des3_cbc", DOES_CIPHER, SECRETS_DES, CKM_DES3_CBC, FORM_IV, 8, 8, false) \
        X(ECDH, "ecdh", DOES_DERIVE, SECRET_BIT(SECRET_EC), CKM_ECDH1_DERIVE, FORM_ECDH, 0, 1, false) \
        X(DES3_ECB_ENCRYPT_DATA, "des3_ecb_encrypt_data", DOES_DERIVE, SECRETS_DES, CKM_DES3_ECB_ENCRYPT_DATA, FORM_DATA, 0, 8, false) \
        X(AES_ECB_ENCRYPT_DATA, "aes_ecb_encrypt_data", DOES_DERIVE, SECRETS_AES, CKM_AES_ECB_ENCRYPT_DATA, FORM_DATA, 0, 16, false) \
        X(EXTRACT, "extract", DOES_DERIVE, SECRETS_ALL, CKM_EXTRACT_KEY_FROM_KEY, FORM_BIT, 0, 1, false) \
        X(CONCATENATE, "concatenate", DOES_DERIVE, SECRETS_ALL, CKM_CONCATENATE_BASE_AND_KEY, FORM_KEY, 0, 1, false)
/* clang-format on */

#define SECRET_ALGORITHM_CONSTANT(constant, ...) SECRET_##constant,
enum secret_algorithm {
        SECRET_ALGORITHM_NONE_ = 0,
        SECRET_ALGORITHMS(SECRET_ALGORITHM_CONSTANT) SECRET_ALGORITHM_MAX_,
};
#undef SECRET_ALGORITHM_CONSTANT

struct secret_algorithm_info {
        const char *name;
        unsigned does, key_types; /* masks of enum secret_does, and of SECRET_BIT() of enum secret_type */
        uint64_t mechanism;       /* CKM_ */
        enum secret_form form;
        size_t iv_length, unit;
        bool wraps_private;
};

/* NULL: there is no type, or no algorithm, of this number. */
const struct secret_type_info *secret_type_info(unsigned type);
const struct secret_algorithm_info *secret_algorithm_info(unsigned algorithm);
/* 0: there is no type of this name; there is no algorithm of this name that does this. */
unsigned secret_type_from_name(const char *name);
unsigned secret_algorithm_from_name(const char *name, enum secret_does does);

/* The type of a secret key with this CKK_; 0: none of ours. */
unsigned secret_type_from_key_type(uint64_t key_type);

/* Whether a key of this type may have that size: bytes, or of a private key the bits of its modulus or curve. The parity of
 * DES keys counts: 16 and 24 bytes. */
bool secret_size_fits(unsigned type, unsigned size);
