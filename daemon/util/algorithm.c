/* SPDX-License-Identifier: MPL-2.0 */
/* See algorithm.h. */
#include "daemon/util/algorithm.h"

#include <string.h>

static const struct algorithm_info algorithms[ALGORITHM_MAX_] = {
        [RSA_PKCS1_SHA256] = {"rsa_pkcs1_sha256", KEY_RSA, SCHEME_PKCS1, HASH_SHA256},
        [RSA_PKCS1_SHA384] = {"rsa_pkcs1_sha384", KEY_RSA, SCHEME_PKCS1, HASH_SHA384},
        [RSA_PKCS1_SHA512] = {"rsa_pkcs1_sha512", KEY_RSA, SCHEME_PKCS1, HASH_SHA512},
        [RSA_PSS_SHA256] = {"rsa_pss_sha256", KEY_RSA, SCHEME_PSS, HASH_SHA256},
        [RSA_PSS_SHA384] = {"rsa_pss_sha384", KEY_RSA, SCHEME_PSS, HASH_SHA384},
        [RSA_PSS_SHA512] = {"rsa_pss_sha512", KEY_RSA, SCHEME_PSS, HASH_SHA512},
        [ECDSA_SHA256] = {"ecdsa_sha256", KEY_EC, SCHEME_ECDSA, HASH_SHA256},
        [ECDSA_SHA384] = {"ecdsa_sha384", KEY_EC, SCHEME_ECDSA, HASH_SHA384},
        [ECDSA_SHA512] = {"ecdsa_sha512", KEY_EC, SCHEME_ECDSA, HASH_SHA512},
        [ED25519] = {"ed25519", KEY_ED25519, SCHEME_EDDSA, HASH_NONE},
};

struct name {
        const char *name;
        unsigned number;
};

static const struct name key_types[] = {{"rsa", KEY_RSA}, {"ec", KEY_EC}, {"ed25519", KEY_ED25519}};
static const struct name curves[] = {
        {"secp256r1", 256}, {"secp384r1", 384}, {"secp521r1", 521}, {"ed25519", 255}};
static const struct name usages[] = {
        {"sign", USAGE_SIGN}, {"decrypt", USAGE_DECRYPT}, {"unwrap", USAGE_UNWRAP}, {"derive", USAGE_DERIVE}};

static unsigned name_find(const struct name *names, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i].name, name) == 0)
                        return names[i].number;
        return 0;
}

static const char *name_of(const struct name *names, size_t n, unsigned number)
{
        for (size_t i = 0; i < n; i++)
                if (names[i].number == number)
                        return names[i].name;
        return NULL;
}

const struct algorithm_info *algorithm_info(unsigned algorithm)
{
        return algorithm > 0 && algorithm < ALGORITHM_MAX_ ? &algorithms[algorithm] : NULL;
}

unsigned algorithm_from_name(const char *name)
{
        for (unsigned i = 1; i < ALGORITHM_MAX_; i++)
                if (strcmp(algorithms[i].name, name) == 0)
                        return i;
        return 0;
}

size_t hash_length(enum hash hash)
{
        static const size_t lengths[] = {[HASH_SHA256] = 32, [HASH_SHA384] = 48, [HASH_SHA512] = 64};

        return hash < ARRAY_SIZE(lengths) ? lengths[hash] : 0;
}

bool algorithm_fits(unsigned algorithm, unsigned key_type, unsigned bits)
{
        const struct algorithm_info *info = algorithm_info(algorithm);
        size_t hash, bytes = (bits + 7U) / 8U;

        if (!info || info->key_type != key_type)
                return false;
        hash = hash_length(info->hash);
        switch (info->scheme) {
        case SCHEME_PKCS1:
                /* 19 bytes of DigestInfo before the digest (SHA-2, all three), 11 of padding. */
                return bytes >= hash + 19 + 11;
        case SCHEME_PSS:
                /* The encoded message has one bit less than the modulus. */
                return (bits + 6U) / 8U >= 2 * hash + 2;
        case SCHEME_ECDSA:
                return curve_name(bits) != NULL && bits != 255;
        case SCHEME_EDDSA:
                return true;
        }
        return false;
}

const char *key_type_name(unsigned key_type)
{
        return name_of(key_types, ARRAY_SIZE(key_types), key_type);
}

unsigned key_type_from_name(const char *name)
{
        return name_find(key_types, ARRAY_SIZE(key_types), name);
}

const char *curve_name(unsigned bits)
{
        return name_of(curves, ARRAY_SIZE(curves), bits);
}

unsigned curve_from_name(const char *name)
{
        return name_find(curves, ARRAY_SIZE(curves), name);
}

const char *usage_name(unsigned bit)
{
        return name_of(usages, ARRAY_SIZE(usages), bit);
}

unsigned usage_from_name(const char *name)
{
        return name_find(usages, ARRAY_SIZE(usages), name);
}
