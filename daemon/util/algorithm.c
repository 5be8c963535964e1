/* SPDX-License-Identifier: MPL-2.0 */
/* See algorithm.h. */
#include "daemon/util/algorithm.h"

#include <limits.h>
#include <string.h>

#include "daemon/util/ckm.h"

/* AlgorithmIdentifiers in DER. SHA-2 OIDs differ in the last arc; PSS names the hash twice, and its length as the length of
 * the salt. */
/* clang-format off */
#define PKCS1_ID(arc) "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01" arc "\x05\x00"
#define ECDSA_ID(arc) "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03" arc
#define ED25519_ID    "\x30\x05\x06\x03\x2b\x65\x70"
#define SHA2_ID(arc)  "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02" arc "\x05\x00"
#define PSS_ID(arc, salt) \
        "\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\xa0\x0f" SHA2_ID(arc) \
        "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" SHA2_ID(arc) \
        "\xa2\x03\x02\x01" salt
/* clang-format on */

#define ALGORITHM_ROW(constant, name, key_type, scheme, hash, mechanism, hashing, default_for, identifier)   \
        [constant] = {name, key_type, scheme, hash, mechanism, hashing, default_for,                         \
                (const uint8_t *)(identifier)},
static const struct algorithm_info algorithms[ALGORITHM_MAX_] = {ALGORITHM_LIST(ALGORITHM_ROW)};

static const struct hash_info hashes[HASH_MAX_] = {
        [HASH_SHA256] = {32, CKM_SHA256, CKG_MGF1_SHA256, 1},
        [HASH_SHA384] = {48, CKM_SHA384, CKG_MGF1_SHA384, 2},
        [HASH_SHA512] = {64, CKM_SHA512, CKG_MGF1_SHA512, 3},
        [HASH_SHA1] = {20, CKM_SHA_1, CKG_MGF1_SHA1, 0},
};

static const struct key_type_info key_types[KEY_TYPE_MAX_] = {
        [KEY_RSA] = {"rsa", CKM_RSA_PKCS_KEY_PAIR_GEN, USAGE_SIGN | USAGE_DECRYPT | USAGE_UNWRAP},
        [KEY_EC] = {"ec", CKM_EC_KEY_PAIR_GEN, USAGE_SIGN | USAGE_DERIVE},
        [KEY_ED25519] = {"ed25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, USAGE_SIGN},
};

struct numbered_name {
        const char *name;
        unsigned number;
};

static const struct numbered_name curves[] = {
        {"secp256r1", 256}, {"secp384r1", 384}, {"secp521r1", 521}, {"ed25519", 255}};
static const struct numbered_name usages[] = {{"sign", USAGE_SIGN}, {"decrypt", USAGE_DECRYPT},
        {"unwrap", USAGE_UNWRAP}, {"derive", USAGE_DERIVE}, {"encrypt", USAGE_ENCRYPT}, {"wrap", USAGE_WRAP}};

static unsigned name_find(const struct numbered_name *names, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i].name, name) == 0)
                        return names[i].number;
        return 0;
}

static const char *name_of(const struct numbered_name *names, size_t n, unsigned number)
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

unsigned algorithm_default(unsigned key_type, unsigned bits)
{
        for (unsigned i = 1; i < ALGORITHM_MAX_; i++)
                if (algorithms[i].key_type == key_type &&
                        (algorithms[i].default_for == ANY_SIZE || algorithms[i].default_for == bits))
                        return i;
        return 0;
}

const struct hash_info *hash_info(unsigned hash)
{
        return hash > HASH_NONE && hash < HASH_MAX_ ? &hashes[hash] : NULL;
}

size_t hash_length(unsigned hash)
{
        return hash < HASH_MAX_ ? hashes[hash].length : 0;
}

/* What PKCS #1 can pad (RFC 8017, 9.2): at least 11 bytes are the padding. */
static size_t pkcs1_room(unsigned bits)
{
        size_t bytes = (bits + 7U) / 8U;

        return bytes > 11 ? bytes - 11 : 0;
}

/* What is left for the salt of PSS (9.1.1); the encoded message has one bit less than the modulus. -1: not even nothing. */
static long pss_room(unsigned bits, size_t hash)
{
        return MAX_OF((long)((bits + 6U) / 8U) - (long)hash - 2, -1L);
}

bool algorithm_fits(unsigned algorithm, unsigned key_type, unsigned bits)
{
        const struct algorithm_info *info = algorithm_info(algorithm);
        size_t hash;

        if (!info || info->key_type != key_type)
                return false;
        hash = hash_length(info->hash);
        switch (info->scheme) {
        case SCHEME_PKCS1:
                /* 19 bytes of DigestInfo before the digest (SHA-2, all three); a raw one may have one byte. */
                return pkcs1_room(bits) >= (hash > 0 ? hash + 19 : 1);
        case SCHEME_PSS:
                return pss_room(bits, hash) >= (long)hash;
        case SCHEME_ECDSA:
                return curve_name(bits) != NULL && bits != 255;
        case SCHEME_EDDSA:
                return true;
        }
        return false;
}

bool algorithm_is_raw(unsigned algorithm)
{
        const struct algorithm_info *info = algorithm_info(algorithm);

        return info && !info->identifier;
}

bool algorithm_takes_digest(unsigned algorithm, unsigned bits, size_t length)
{
        const struct algorithm_info *info = algorithm_info(algorithm);

        if (!info || info->scheme == SCHEME_EDDSA)
                return false;
        if (info->hash != HASH_NONE)
                return length == hash_length(info->hash);
        return length >= 1 && length <= (info->scheme == SCHEME_PKCS1 ? pkcs1_room(bits) : DIGEST_MAX);
}

bool algorithm_takes_message(unsigned algorithm)
{
        const struct algorithm_info *info = algorithm_info(algorithm);

        return info && (info->hash != HASH_NONE || info->scheme == SCHEME_EDDSA);
}

bool algorithm_takes_salt(unsigned algorithm, unsigned bits, size_t salt)
{
        const struct algorithm_info *info = algorithm_info(algorithm);

        return info && info->scheme == SCHEME_PSS && salt <= LONG_MAX &&
               pss_room(bits, hash_length(info->hash)) >= (long)salt;
}

const struct key_type_info *key_type_info(unsigned key_type)
{
        return key_type > 0 && key_type < KEY_TYPE_MAX_ ? &key_types[key_type] : NULL;
}

const char *key_type_name(unsigned key_type)
{
        const struct key_type_info *info = key_type_info(key_type);

        return info ? info->name : NULL;
}

unsigned key_type_from_name(const char *name)
{
        for (unsigned i = 1; i < KEY_TYPE_MAX_; i++)
                if (strcmp(key_types[i].name, name) == 0)
                        return i;
        return 0;
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
