/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From a signature algorithm and a digest or message to what a token is given: mechanism, parameters, bytes.
 * NSS's own software token hashes, and not the device, but for keys and tokens that sign in no other way.
 */
#pragma once

#include <nss/pkcs11.h>

#include "daemon/channel/message.h"
#include "daemon/worker/encoding/signature.h"

/* What is to be signed or verified. */
struct to_sign {
        unsigned algorithm;
        bool prehashed;         /* data is a digest, and not a message */
        bool salted;            /* salt is the length of the salt of PSS, and not the hash's */
        unsigned salt;          /* bytes */
        bool hashed_there;      /* by the device, with signing_hashing() */
        struct wire_bytes data; /* borrowed */
};

/* Of a SIGN or a SIGN_COPY. */
#define TO_SIGN(message)                                                                                     \
        ((struct to_sign){.algorithm = (message)->algorithm,                                                 \
                .prehashed = (message)->prehashed,                                                           \
                .salted = (message)->salted,                                                                 \
                .salt = (message)->salt,                                                                     \
                .data = (message)->data})

struct signing {
        const struct algorithm_info *info;
        CK_MECHANISM mechanism; /* its parameter points into this struct, which must not be copied */
        CK_RSA_PKCS_PSS_PARAMS pss;
        uint8_t buffer[SIGNATURE_DIGEST_INFO_MAX];
        struct der input;        /* in buffer, or in the caller's data */
        size_t signature_length; /* of the raw signature */
};

/* The mechanism alone; CKM_VENDOR_DEFINED if there is no such algorithm. */
CK_MECHANISM_TYPE signing_mechanism(unsigned algorithm);

/* The mechanism with which the device hashes the message itself. 0: there is none, or only the digest is known. */
CK_MECHANISM_TYPE signing_hashing(const struct to_sign *what);

/* What signing_init() returns instead of 0. */
enum {
        SIGNING_UNFIT = 1, /* there is no such algorithm, or it does not fit such a key */
        SIGNING_BAD_DIGEST, /* a digest of the wrong length, or one where a message is signed, or the other way round */
        SIGNING_BAD_SALT, /* the algorithm has no salt, or not so long a one */
};

/* bits: of the key's modulus or curve. The data stays borrowed. -EIO: NSS cannot hash. */
int signing_init(struct signing *signing, const struct to_sign *what, unsigned key_type, unsigned bits);
