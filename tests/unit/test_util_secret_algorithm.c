/* SPDX-License-Identifier: MPL-2.0 */
/* The types of secret keys and the algorithms that use them. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckm.h"
#include "daemon/util/secret-algorithm.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

/* The numbers of PKCS #11. */
static void test_types(void)
{
        static const struct {
                const char *name;
                uint64_t key_type, generator;
        } wanted[] = {{"aes", 0x1f, CKM_AES_KEY_GEN}, {"des2", 0x14, CKM_DES2_KEY_GEN},
                {"des3", 0x15, CKM_DES3_KEY_GEN}, {"generic", 0x10, CKM_GENERIC_SECRET_KEY_GEN},
                {"rsa", 0x00, CKM_RSA_PKCS_KEY_PAIR_GEN}, {"ec", 0x03, CKM_EC_KEY_PAIR_GEN}};

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                unsigned type = secret_type_from_name(wanted[i].name);
                const struct secret_type_info *info = secret_type_info(type);

                CU_ASSERT_PTR_NOT_NULL_FATAL(info);
                CU_ASSERT_EQUAL(info->key_type, wanted[i].key_type);
                CU_ASSERT_EQUAL(info->generator, wanted[i].generator);
                CU_ASSERT_EQUAL(secret_type_from_key_type(info->key_type), info->is_private ? 0 : type);
        }
        CU_ASSERT_EQUAL(secret_type_from_name("rc4"), 0);
        CU_ASSERT_PTR_NULL(secret_type_info(0));
        CU_ASSERT_PTR_NULL(secret_type_info(SECRET_TYPE_MAX_));
        CU_ASSERT_EQUAL(secret_type_from_key_type(0x12), 0);
}

static void test_algorithms(void)
{
        /* One name may be of a wrap and of a cipher; a name of another kind is none. */
        CU_ASSERT_EQUAL(secret_algorithm_from_name("aes_cbc", DOES_WRAP), SECRET_AES_CBC);
        CU_ASSERT_EQUAL(secret_algorithm_from_name("aes_cbc", DOES_CIPHER), SECRET_AES_CBC);
        CU_ASSERT_EQUAL(secret_algorithm_from_name("aes_kwp", DOES_CIPHER), 0);
        CU_ASSERT_EQUAL(secret_algorithm_from_name("aes_gcm", DOES_WRAP), 0);
        CU_ASSERT_EQUAL(secret_algorithm_from_name("extract", DOES_DERIVE), SECRET_EXTRACT);
        CU_ASSERT_EQUAL(secret_algorithm_info(SECRET_AES_KWP)->mechanism, CKM_AES_KEY_WRAP_KWP);
        CU_ASSERT_EQUAL(secret_algorithm_info(SECRET_DES3_ECB)->mechanism, CKM_DES3_ECB);
        CU_ASSERT_PTR_NULL(secret_algorithm_info(0));
        CU_ASSERT_PTR_NULL(secret_algorithm_info(SECRET_ALGORITHM_MAX_));
        for (unsigned i = 1; i < SECRET_ALGORITHM_MAX_; i++) {
                const struct secret_algorithm_info *info = secret_algorithm_info(i);

                CU_ASSERT_TRUE(info->does != 0 && info->key_types != 0 && info->unit > 0);
                CU_ASSERT_EQUAL(info->iv_length > 0, info->form == FORM_IV || info->form == FORM_GCM);
                /* PKCS #8 is of any length. */
                CU_ASSERT_TRUE(!info->wraps_private || info->unit == 1);
        }
}

static void test_sizes(void)
{
        CU_ASSERT_TRUE(secret_size_fits(SECRET_AES, 16) && secret_size_fits(SECRET_AES, 24) &&
                       secret_size_fits(SECRET_AES, 32) && !secret_size_fits(SECRET_AES, 20));
        CU_ASSERT_TRUE(secret_size_fits(SECRET_DES2, 16) && !secret_size_fits(SECRET_DES2, 24));
        CU_ASSERT_TRUE(secret_size_fits(SECRET_DES3, 24) && !secret_size_fits(SECRET_DES3, 16));
        CU_ASSERT_TRUE(secret_size_fits(SECRET_GENERIC, 1) &&
                       secret_size_fits(SECRET_GENERIC, LIMIT_GENERIC_SECRET) &&
                       !secret_size_fits(SECRET_GENERIC, 0) &&
                       !secret_size_fits(SECRET_GENERIC, LIMIT_GENERIC_SECRET + 1));
        CU_ASSERT_TRUE(secret_size_fits(SECRET_RSA, LIMIT_SEALED_RSA_BITS_MIN) &&
                       !secret_size_fits(SECRET_RSA, LIMIT_SEALED_RSA_BITS_MIN - 1) &&
                       secret_size_fits(SECRET_RSA, LIMIT_RSA_BITS_MAX));
        CU_ASSERT_TRUE(secret_size_fits(SECRET_EC, 256) && secret_size_fits(SECRET_EC, 521) &&
                       !secret_size_fits(SECRET_EC, 255) && !secret_size_fits(SECRET_EC, 0));
        CU_ASSERT_FALSE(secret_size_fits(0, 16));
}

SUITE(util_secret_algorithm, {"types have the numbers of PKCS #11", test_types},
        {"an algorithm is found by its name and by what it does", test_algorithms},
        {"a key has a size of its type", test_sizes});
