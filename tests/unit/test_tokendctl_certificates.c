/* SPDX-License-Identifier: MPL-2.0 */
/* What tokendctl reads of certificates, and what it knows of subsystems. */
#include <stdlib.h>
#include <string.h>

#include "client/tokendctl/subsystem.h"
#include "client/tokendctl/tokendctl.h"
#include "tests/unit/suite.h"

static int read_text(const char *text, unsigned char **ret, size_t *ret_length)
{
        return pem_read("CERTIFICATE", (const unsigned char *)text, strlen(text), ret, ret_length);
}

static void test_pem(void)
{
        static const char *const good[] = {
                "-----BEGIN CERTIFICATE-----\nMAM=\n-----END CERTIFICATE-----\n",
                "subject=CN = x\n-----BEGIN CERTIFICATE-----\r\nMA\r\nM=\r\n-----END CERTIFICATE-----",
                "\xef\xbb\xbf-----BEGIN CERTIFICATE-----\nMAM=\n-----END CERTIFICATE-----\n",
                "\xef\xbb\xbf  -----BEGIN CERTIFICATE-----\n  MAM=\n  -----END CERTIFICATE-----\n",
                "text\n \t-----BEGIN X509 CERTIFICATE-----\nMAM=\n-----END X509 CERTIFICATE-----\n",
                ("-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n-----BEGIN CERTIFICATE-----\nMAM=\n"
                 "-----END CERTIFICATE-----\n-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n"),
        };
        static const char *const bad[] = {"", "text", "-----BEGIN CERTIFICATE-----\nMAM=\n",
                "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
                "-----BEGIN CERTIFICATE-----\nMA=M\n-----END CERTIFICATE-----\n",
                "x-----BEGIN CERTIFICATE-----\nMAM=\n-----END CERTIFICATE-----\n",
                "-----BEGIN CERTIFICATE REQUEST-----\nMAM=\n-----END CERTIFICATE REQUEST-----\n"};
        static const char two[] = "-----BEGIN CERTIFICATE-----\nMAM=\n-----END CERTIFICATE-----\n"
                                  "-----BEGIN CERTIFICATE-----\nMAM=\n-----END CERTIFICATE-----\n";
        unsigned char *der;
        size_t n;

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                CU_ASSERT_EQUAL_FATAL(read_text(good[i], &der, &n), 0);
                CU_ASSERT_EQUAL(n, 2);
                CU_ASSERT_EQUAL(memcmp(der, "\x30\x03", 2), 0);
                free(der);
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_EQUAL(read_text(bad[i], &der, &n), -EINVAL);
        CU_ASSERT_EQUAL(read_text(two, &der, &n), -E2BIG);
        CU_ASSERT_EQUAL_FATAL(read_text("0\x03"
                                        "abc",
                                      &der, &n),
                0);
        CU_ASSERT_EQUAL(n, 5);
        free(der);
}

static bool has(char **nicknames, size_t n, const char *nickname)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(nicknames[i], nickname) == 0)
                        return true;
        return false;
}

static void test_subsystems(void)
{
        static const struct {
                const char *subsystem, *nickname;
        } known[] = {
                {"ca", "caSigningCert cert-i%s CA"},
                {"ca", "ocspSigningCert cert-i%s CA"},
                {"ca", "auditSigningCert cert-i%s CA"},
                {"ca", "caSigningCert cert-i%s"},
                {"kra", "transportCert cert-i%s KRA"},
                {"kra", "storageCert cert-i%s KRA"},
                {"kra", "storageCert cert-i%s"},
                {"ocsp", "ocspSigningCert cert-i%s OCSP"},
                {"tks", "auditSigningCert cert-i%s TKS"},
                {"tps", "auditSigningCert cert-i%s TPS"},
                {"ra", "subsystemCert cert-i%s"},
                {"tps", "Server-Cert cert-i%s"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
                const struct subsystem *subsystem = subsystem_find(known[i].subsystem);
                char **nicknames;
                size_t n;

                CU_ASSERT_PTR_NOT_NULL_FATAL(subsystem);
                CU_ASSERT_EQUAL_FATAL(subsystem_nicknames(subsystem, "i%s", &nicknames, &n), 0);
                CU_ASSERT_TRUE(has(nicknames, n, known[i].nickname));
                CU_ASSERT_TRUE(has(nicknames, n, "subsystemCert cert-i%s"));
                while (n > 0)
                        free(nicknames[--n]);
                free(nicknames);
        }
        CU_ASSERT_PTR_NULL(subsystem_find("CA"));
        CU_ASSERT_PTR_NULL(subsystem_find(""));
}

SUITE(tokendctl_certificates,
        {"one certificate is read from PEM, whatever stands around it, and from DER", test_pem},
        {"every subsystem's nicknames are known, with the suffix and without", test_subsystems});
