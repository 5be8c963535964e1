/* SPDX-License-Identifier: MPL-2.0 */
/* The tables of algorithms, key types, curves and usages. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckm.h"
#include "daemon/util/decryption.h"
#include "gen/proto/enums.h"
#include "tests/unit/suite.h"

static void test_names(void)
{
        for (unsigned i = 1; i < ALGORITHM_MAX_; i++) {
                const struct algorithm_info *info = algorithm_info(i);

                CU_ASSERT_EQUAL(algorithm_from_name(info->name), i);
                /* The numbers travel between our processes. */
                CU_ASSERT_EQUAL(strcmp(info->name, "rsa_pkcs1_sha256") == 0, i == 1);
                CU_ASSERT_EQUAL(strcmp(info->name, "ed25519") == 0, i == 10);
        }
        CU_ASSERT_PTR_NULL(algorithm_info(0));
        CU_ASSERT_PTR_NULL(algorithm_info(ALGORITHM_MAX_));
        CU_ASSERT_EQUAL(algorithm_from_name("rsa_pkcs1_sha1"), 0);
        CU_ASSERT_EQUAL(algorithm_from_name(""), 0);
        for (unsigned i = 1; i < KEY_TYPE_MAX_; i++)
                CU_ASSERT_EQUAL(key_type_from_name(key_type_name(i)), i);
        CU_ASSERT_PTR_NULL(key_type_name(0));
        CU_ASSERT_PTR_NULL(key_type_info(KEY_TYPE_MAX_));
        CU_ASSERT_EQUAL(key_type_from_name("dsa"), 0);
        for (unsigned bit = USAGE_SIGN; bit <= USAGE_DERIVE; bit <<= 1)
                CU_ASSERT_EQUAL(usage_from_name(usage_name(bit)), bit);
        CU_ASSERT_EQUAL(curve_from_name("secp521r1"), 521);
        CU_ASSERT_STRING_EQUAL(curve_name(255), "ed25519");
        CU_ASSERT_PTR_NULL(curve_name(512));
}

/* How many of the words there are, each of them a name that is known. */
static unsigned count_words(const char *words, unsigned (*from_name)(const char *name))
{
        char text[1024], *rest = text, *word;
        unsigned n = 0;

        CU_ASSERT_FATAL(strlen(words) < sizeof(text));
        strcpy(text, words);
        while ((word = strsep(&rest, ", "))) {
                CU_ASSERT_TRUE(*word == '\0' || from_name(word) != 0);
                n += *word != '\0';
        }
        return n;
}

static void test_interface(void)
{
        CU_ASSERT_EQUAL(count_words(KEYS_SIGNATURE_ALGORITHM_WORDS, algorithm_from_name), ALGORITHM_MAX_ - 1);
        CU_ASSERT_EQUAL(count_words(KEYS_KEY_TYPE_WORDS, key_type_from_name), KEY_TYPE_MAX_ - 1);
}

static void test_default(void)
{
        CU_ASSERT_EQUAL(algorithm_default(KEY_RSA, 2048), RSA_PKCS1_SHA256);
        CU_ASSERT_EQUAL(algorithm_default(KEY_RSA, 8192), RSA_PKCS1_SHA256);
        CU_ASSERT_EQUAL(algorithm_default(KEY_EC, 256), ECDSA_SHA256);
        CU_ASSERT_EQUAL(algorithm_default(KEY_EC, 384), ECDSA_SHA384);
        CU_ASSERT_EQUAL(algorithm_default(KEY_EC, 521), ECDSA_SHA512);
        CU_ASSERT_EQUAL(algorithm_default(KEY_ED25519, 255), ED25519);
        CU_ASSERT_EQUAL(algorithm_default(KEY_EC, 255), 0);
        CU_ASSERT_EQUAL(algorithm_default(0, 256), 0);
}

static void test_fits(void)
{
        CU_ASSERT_TRUE(algorithm_fits(RSA_PKCS1_SHA512, KEY_RSA, 752));
        CU_ASSERT_FALSE(algorithm_fits(RSA_PKCS1_SHA512, KEY_RSA, 744));
        CU_ASSERT_TRUE(algorithm_fits(RSA_PSS_SHA512, KEY_RSA, 1034));
        CU_ASSERT_FALSE(algorithm_fits(RSA_PSS_SHA512, KEY_RSA, 1033));
        CU_ASSERT_TRUE(algorithm_fits(ECDSA_SHA512, KEY_EC, 256));
        CU_ASSERT_FALSE(algorithm_fits(ECDSA_SHA256, KEY_EC, 255));
        CU_ASSERT_FALSE(algorithm_fits(ECDSA_SHA256, KEY_RSA, 2048));
        CU_ASSERT_TRUE(algorithm_fits(ED25519, KEY_ED25519, 255));
        CU_ASSERT_FALSE(algorithm_fits(0, KEY_RSA, 2048));
        CU_ASSERT_FALSE(algorithm_fits(ALGORITHM_MAX_, KEY_RSA, 2048));
        CU_ASSERT_FALSE(algorithm_is_raw(0));
        CU_ASSERT_FALSE(algorithm_takes_digest(0, 2048, 32));
        CU_ASSERT_FALSE(algorithm_takes_message(ALGORITHM_MAX_));
        CU_ASSERT_TRUE(algorithm_takes_salt(RSA_PSS_SHA512, 1034, 64));
        CU_ASSERT_FALSE(algorithm_takes_salt(RSA_PSS_SHA512, 1034, 65));
        CU_ASSERT_FALSE(algorithm_takes_salt(RSA_PSS_SHA512, 512, 0));
        CU_ASSERT_FALSE(algorithm_takes_salt(RSA_PSS_SHA256, 2048, SIZE_MAX));
        CU_ASSERT_FALSE(algorithm_takes_salt(RSA_PKCS1_SHA256, 2048, 0));
        CU_ASSERT_FALSE(algorithm_takes_salt(0, 2048, 0));
}

/* The mechanism follows from the scheme, and the AlgorithmIdentifier is one SEQUENCE that begins with an OID. */
static void test_rows(void)
{
        static const uint64_t mechanisms[] = {[SCHEME_PKCS1] = CKM_RSA_PKCS,
                [SCHEME_PSS] = CKM_RSA_PKCS_PSS,
                [SCHEME_ECDSA] = CKM_ECDSA,
                [SCHEME_EDDSA] = CKM_EDDSA};

        for (unsigned i = 1; i < ALGORITHM_MAX_; i++) {
                const struct algorithm_info *info = algorithm_info(i);

                CU_ASSERT_EQUAL(info->mechanism, mechanisms[info->scheme]);
                CU_ASSERT_EQUAL(algorithm_is_raw(i), i > ED25519);
                CU_ASSERT_EQUAL(algorithm_takes_message(i), i != RSA_PKCS1 && i != ECDSA);
                CU_ASSERT_EQUAL(hash_info(info->hash) == NULL,
                        info->scheme == SCHEME_EDDSA || i == RSA_PKCS1 || i == ECDSA);
                if (algorithm_is_raw(i))
                        continue;
                CU_ASSERT_EQUAL(info->identifier[0], 0x30);
                CU_ASSERT_EQUAL(info->identifier[2], 0x06);
                CU_ASSERT_TRUE(info->identifier[3] + 2 <= info->identifier[1]);
        }
        CU_ASSERT_EQUAL(hash_length(HASH_SHA384), 48);
        CU_ASSERT_EQUAL(hash_length(HASH_NONE), 0);
        CU_ASSERT_EQUAL(hash_length(HASH_MAX_), 0);
        CU_ASSERT_EQUAL(key_type_info(KEY_RSA)->generator, CKM_RSA_PKCS_KEY_PAIR_GEN);
        CU_ASSERT_EQUAL(key_type_info(KEY_ED25519)->usages, USAGE_SIGN);
}

static void test_decryption(void)
{
        CU_ASSERT_EQUAL(
                count_words(KEYS_DECRYPTION_ALGORITHM_WORDS, decryption_from_name), DECRYPTION_MAX_ - 1);
        for (unsigned i = 1; i < DECRYPTION_MAX_; i++) {
                const struct decryption_info *info = decryption_info(i);

                CU_ASSERT_EQUAL(decryption_from_name(info->name), i);
                CU_ASSERT_EQUAL(info->mechanism == CKM_RSA_PKCS_OAEP, hash_info(info->hash) != NULL);
                CU_ASSERT_TRUE(decryption_fits(i, KEY_RSA, 2048));
                CU_ASSERT_FALSE(decryption_fits(i, KEY_EC, 256));
        }
        CU_ASSERT_PTR_NULL(decryption_info(0));
        CU_ASSERT_PTR_NULL(decryption_info(DECRYPTION_MAX_));
        CU_ASSERT_EQUAL(decryption_from_name("rsa_oaep_md5"), 0);
        CU_ASSERT_TRUE(decryption_fits(DECRYPT_RSA_OAEP_SHA512, KEY_RSA, 1040));
        CU_ASSERT_FALSE(decryption_fits(DECRYPT_RSA_OAEP_SHA512, KEY_RSA, 1032));
        CU_ASSERT_FALSE(decryption_fits(DECRYPT_RSA_PKCS1, KEY_RSA, 80));
        CU_ASSERT_FALSE(decryption_fits(0, KEY_RSA, 2048));
}

SUITE(util_algorithm, {"every algorithm, key type and usage is found by its name", test_names},
        {"the interface has the algorithms and the key types of the table, and no others", test_interface},
        {"the default algorithm has a digest as strong as the key", test_default},
        {"an algorithm fits the keys that have room for its digest", test_fits},
        {"the rows agree with each other", test_rows},
        {"the algorithms of decryption are those of the interface, and fit keys that have room",
                test_decryption});
