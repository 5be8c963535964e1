/* SPDX-License-Identifier: MPL-2.0 */
/* See secret-algorithm.h. */
#include "daemon/util/secret-algorithm.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckm.h"
#include "proto/limits.h"

/* CKK_, as in PKCS #11 v2.40. */
enum {
        KEY_TYPE_RSA = 0x00,
        KEY_TYPE_EC = 0x03,
        KEY_TYPE_GENERIC_SECRET = 0x10,
        KEY_TYPE_DES2 = 0x14,
        KEY_TYPE_DES3 = 0x15,
        KEY_TYPE_AES = 0x1f,
};

#define SECRET_USAGES (USAGE_ENCRYPT | USAGE_DECRYPT | USAGE_WRAP | USAGE_UNWRAP | USAGE_DERIVE | USAGE_SIGN)

static const struct secret_type_info types[SECRET_TYPE_MAX_] = {
        [SECRET_AES] = {"aes", CKM_AES_KEY_GEN, KEY_TYPE_AES, SECRET_USAGES, false},
        [SECRET_DES2] = {"des2", CKM_DES2_KEY_GEN, KEY_TYPE_DES2, SECRET_USAGES, false},
        [SECRET_DES3] = {"des3", CKM_DES3_KEY_GEN, KEY_TYPE_DES3, SECRET_USAGES, false},
        [SECRET_GENERIC] = {"generic", CKM_GENERIC_SECRET_KEY_GEN, KEY_TYPE_GENERIC_SECRET, SECRET_USAGES,
                false},
        [SECRET_RSA] = {"rsa", CKM_RSA_PKCS_KEY_PAIR_GEN, KEY_TYPE_RSA,
                USAGE_SIGN | USAGE_DECRYPT | USAGE_UNWRAP, true},
        [SECRET_EC] = {"ec", CKM_EC_KEY_PAIR_GEN, KEY_TYPE_EC, USAGE_SIGN | USAGE_DERIVE, true},
};

/* clang-format off */
#define ROW(constant, name_, does_, types_, mechanism_, form_, iv_, unit_, private_) \
        [SECRET_##constant] = {name_, does_, types_, mechanism_, form_, iv_, unit_, private_},
/* clang-format on */
static const struct secret_algorithm_info algorithms[SECRET_ALGORITHM_MAX_] = {SECRET_ALGORITHMS(ROW)};

const struct secret_type_info *secret_type_info(unsigned type)
{
        return type > 0 && type < SECRET_TYPE_MAX_ ? &types[type] : NULL;
}

const struct secret_algorithm_info *secret_algorithm_info(unsigned algorithm)
{
        return algorithm > 0 && algorithm < SECRET_ALGORITHM_MAX_ ? &algorithms[algorithm] : NULL;
}

unsigned secret_type_from_name(const char *name)
{
        for (unsigned i = 1; i < SECRET_TYPE_MAX_; i++)
                if (strcmp(types[i].name, name) == 0)
                        return i;
        return 0;
}

unsigned secret_algorithm_from_name(const char *name, enum secret_does does)
{
        for (unsigned i = 1; i < SECRET_ALGORITHM_MAX_; i++)
                if ((algorithms[i].does & does) && strcmp(algorithms[i].name, name) == 0)
                        return i;
        return 0;
}

unsigned secret_type_from_key_type(uint64_t key_type)
{
        for (unsigned i = 1; i < SECRET_TYPE_MAX_; i++)
                if (!types[i].is_private && types[i].key_type == key_type)
                        return i;
        return 0;
}

bool secret_size_fits(unsigned type, unsigned size)
{
        switch (type) {
        case SECRET_AES:
                return size == 16 || size == 24 || size == 32;
        case SECRET_DES2:
                return size == 16;
        case SECRET_DES3:
                return size == 24;
        case SECRET_GENERIC:
                return size >= 1 && size <= LIMIT_GENERIC_SECRET;
        case SECRET_RSA:
                return size >= LIMIT_SEALED_RSA_BITS_MIN && size <= LIMIT_RSA_BITS_MAX;
        case SECRET_EC:
                return size != 255 && curve_name(size);
        default:
                return false;
        }
}
