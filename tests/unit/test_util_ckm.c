/* SPDX-License-Identifier: MPL-2.0 */
/* Names of mechanisms, and names for a certificate. */
#include <stdio.h>
#include <string.h>

#include "daemon/util/ckm.h"
#include "daemon/util/text.h"
#include "tests/unit/suite.h"

static void test_numbers(void)
{
        /* PKCS #11 v2.40, mechanisms; one of each family. */
        static const struct {
                const char *name;
                uint64_t number;
        } known[] = {{"CKM_RSA_PKCS_KEY_PAIR_GEN", 0x0}, {"CKM_RSA_PKCS", 0x1}, {"CKM_RSA_PKCS_OAEP", 0x9},
                {"CKM_RSA_PKCS_PSS", 0xd}, {"CKM_SHA256_RSA_PKCS", 0x40}, {"CKM_DES3_KEY_GEN", 0x131},
                {"CKM_DES3_CBC_PAD", 0x136}, {"CKM_DES3_CMAC", 0x138}, {"CKM_SHA256", 0x250},
                {"CKM_SHA512_HMAC", 0x271}, {"CKM_GENERIC_SECRET_KEY_GEN", 0x350},
                {"CKM_EXTRACT_KEY_FROM_KEY", 0x365}, {"CKM_EC_KEY_PAIR_GEN", 0x1040}, {"CKM_ECDSA", 0x1041},
                {"CKM_ECDH1_DERIVE", 0x1050}, {"CKM_EC_EDWARDS_KEY_PAIR_GEN", 0x1055}, {"CKM_EDDSA", 0x1057},
                {"CKM_AES_KEY_GEN", 0x1080}, {"CKM_AES_CBC_PAD", 0x1085}, {"CKM_AES_GCM", 0x1087},
                {"CKM_AES_KEY_WRAP", 0x2109}, {"CKM_AES_KEY_WRAP_PAD", 0x210a}};
        uint64_t number;

        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
                number = UINT64_MAX;
                CU_ASSERT_TRUE(ckm_from_name(known[i].name, &number));
                CU_ASSERT_EQUAL(number, known[i].number);
        }
        CU_ASSERT_FALSE(ckm_from_name("CKM_NONE", &number));
        CU_ASSERT_FALSE(ckm_from_name("", &number));
        CU_ASSERT_FALSE(ckm_from_name("ckm_rsa_pkcs", &number));
}

static void test_header(void)
{
        char line[512], name[128];
        unsigned long long wanted;
        unsigned n = 0;
        FILE *header = fopen("/usr/include/nss/pkcs11t.h", "r");

        if (!header)
                header = fopen("/usr/include/nss3/pkcs11t.h", "r");
        CU_ASSERT_PTR_NOT_NULL_FATAL(header);
        while (fgets(line, sizeof(line), header)) {
                uint64_t number;

                if (sscanf(line, "#define CKM_%119s 0x%llx", name, &wanted) != 2)
                        continue;
                memmove(name + 4, name, strlen(name) + 1);
                memcpy(name, "CKM_", 4);
                if (!ckm_from_name(name, &number))
                        continue;
                CU_ASSERT_EQUAL(number, wanted);
                n++;
        }
        fclose(header);
        CU_ASSERT_TRUE(n > 150);
}

static void test_text(void)
{
        char buffer[CKM_TEXT];

        CU_ASSERT_STRING_EQUAL(ckm_text(0x1, buffer), "CKM_RSA_PKCS");
        CU_ASSERT_STRING_EQUAL(ckm_text(0x1041, buffer), "CKM_ECDSA");
        CU_ASSERT_STRING_EQUAL(ckm_text(UINT64_MAX, buffer), "0xffffffffffffffff");
}

static void test_dns_names(void)
{
        static const char *const good[] = {"a", "localhost", "a.example", "*.a.example",
                "xn--bcher-kva.example", "1.example", "a-b.c-d", "A.Example", "a.1x"};
        static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "*", "*.", "a.*",
                "**.a", "*a.b", "a b", "a_b", "a\n", "10.0.0.1", "1", "b\xc3\xbc.example"};
        char name[300];

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                CU_ASSERT_TRUE(text_is_dns_name(good[i]));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_FALSE(text_is_dns_name(bad[i]));
        memset(name, 'a', sizeof(name));
        name[63] = 0;
        CU_ASSERT_TRUE(text_is_dns_name(name));
        name[63] = 'a';
        name[64] = 0;
        CU_ASSERT_FALSE(text_is_dns_name(name));
        for (size_t i = 0; i < 254; i++)
                name[i] = i % 50 == 49 ? '.' : 'a';
        name[253] = 0;
        CU_ASSERT_TRUE(text_is_dns_name(name));
        name[253] = 'a';
        name[254] = 0;
        CU_ASSERT_FALSE(text_is_dns_name(name));
}

SUITE(util_ckm, {"a mechanism's name has the number that PKCS #11 gives it", test_numbers},
        {"names and numbers are those of NSS's header", test_header},
        {"a mechanism without a name is shown by its number", test_text},
        {"a name for a certificate is one that DNS has", test_dns_names});
