/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The algorithms that RSA keys decrypt with, in one table: their names on the wire (proto/io.tokend.Keys.varlink), and what PKCS #11
 * calls them. Broker, worker and tokendctl read it. Pure, thread-safe.
 */
#pragma once

#include "daemon/util/algorithm.h"

/*
 * A new one needs a row here and its name in the interface file. Append it: the position is the number that travels between our
 * processes.
 *
 *      X(constant, name on the wire, mechanism, hash of OAEP and of its MGF1)
 */
/* clang-format off */
#define DECRYPTION_LIST(X) \
        X(DECRYPT_RSA_PKCS1, "rsa_pkcs1", CKM_RSA_PKCS, HASH_NONE) \
        X(DECRYPT_RSA_OAEP_SHA1, "rsa_oaep_sha1", CKM_RSA_PKCS_OAEP, HASH_SHA1) \
        X(DECRYPT_RSA_OAEP_SHA256, "rsa_oaep_sha256", CKM_RSA_PKCS_OAEP, HASH_SHA256) \
        X(DECRYPT_RSA_OAEP_SHA384, "rsa_oaep_sha384", CKM_RSA_PKCS_OAEP, HASH_SHA384) \
        X(DECRYPT_RSA_OAEP_SHA512, "rsa_oaep_sha512", CKM_RSA_PKCS_OAEP, HASH_SHA512)
/* clang-format on */

#define DECRYPTION_CONSTANT(constant, ...) constant,
enum decryption {
        DECRYPTION_NONE_ = 0,
        DECRYPTION_LIST(DECRYPTION_CONSTANT) DECRYPTION_MAX_,
};
#undef DECRYPTION_CONSTANT

struct decryption_info {
        const char *name;
        uint64_t mechanism; /* CKM_ */
        enum hash hash;     /* HASH_NONE: it is not OAEP */
};

/* NULL where there is no algorithm of this number. */
const struct decryption_info *decryption_info(unsigned decryption);
/* 0 where there is no algorithm of this name. */
unsigned decryption_from_name(const char *name);

/* Whether a key of this type and size (bits) can have encrypted anything so: OAEP needs room for two hashes (RFC 8017, 7.1.1). */
bool decryption_fits(unsigned decryption, unsigned key_type, unsigned bits);
