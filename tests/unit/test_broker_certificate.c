/* SPDX-License-Identifier: MPL-2.0 */
/* Certificates in the directory, and other hosts' claims. */
#include <stdio.h>
#include <string.h>

#include "daemon/broker/model/claim.h"
#include "daemon/broker/model/directory.h"
#include "tests/unit/suite.h"

static struct message_entry certificate(uint64_t number, const char *nickname)
{
        return (struct message_entry){.number = number,
                .kind = OBJECT_CERTIFICATE,
                .nickname = nickname,
                .id = wire_bytes("x", 1),
                .flags = FLAG_HAS_PRIVATE_KEY,
                .der = wire_bytes("der", 3),
                .subject = "CN=\"a\\,b\"",
                .issuer = "CN=b",
                .serial = "0a",
                .not_before_usec = 1,
                .not_after_usec = INT64_MAX};
}

static void test_json(void)
{
        static const char wanted[] =
                "{\"token\":\"hsm\",\"nickname\":\"a\",\"id\":\"78\",\"subject\":\"CN=\\\"a\\\\,b\\\"\","
                "\"issuer\":\"CN=b\",\"serialNumber\":\"0a\",\"notBeforeUSec\":1,"
                "\"notAfterUSec\":9223372036854775807,\"hasPrivateKey\":true,\"der\":\"ZGVy\"}";
        struct message_entry message = certificate(1, "a");
        struct output output = {0};
        struct directory *d;

        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        CU_ASSERT_EQUAL(directory_put(d, &message), 0);
        CU_ASSERT_EQUAL(directory_count(d, OBJECT_KEY), 0);
        CU_ASSERT_EQUAL(directory_count(d, OBJECT_CERTIFICATE), 1);
        entry_put(&output, directory_number(d, 1));
        output_bytes(&output, "", 1);
        CU_ASSERT_STRING_EQUAL(output.data, wanted);
        output_done(&output);
        directory_free(d);
}

static void test_impossible(void)
{
        struct message_entry bad[] = {certificate(1, "a"), certificate(1, "a"), certificate(1, "a"),
                certificate(1, "a"), certificate(1, "a\n")};
        struct directory *d;

        bad[0].subject = "\xff";
        bad[1].issuer = "\xc0\x80";
        bad[2].serial = "0A";
        bad[3].not_after_usec = UINT64_MAX;
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_EQUAL(directory_put(d, &bad[i]), -EBADMSG);
        directory_free(d);
}

static bool shows(struct entry *entry, const char *wanted)
{
        struct output output = {0};
        bool found;

        CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
        entry_put(&output, entry);
        output_bytes(&output, "", 1);
        found = strstr(output.data, wanted);
        output_done(&output);
        return found;
}

/* Whatever bears a nickname is shown. */
static void test_odd(void)
{
        static unsigned char big[LIMIT_CERTIFICATE + 1];
        struct message_entry unread = certificate(1, "a"), long_one = certificate(2, "b"),
                             longest = certificate(3, "c");
        struct directory *d;

        unread.serial = "";
        long_one.der = wire_bytes(big, sizeof(big));
        longest.der = wire_bytes(big, LIMIT_CERTIFICATE);
        CU_ASSERT_EQUAL_FATAL(directory_new("hsm", &d), 0);
        CU_ASSERT_EQUAL(directory_put(d, &unread), 0);
        CU_ASSERT_EQUAL(directory_put(d, &long_one), 0);
        CU_ASSERT_EQUAL(directory_put(d, &longest), 0);
        CU_ASSERT_TRUE(shows(directory_nickname(d, "a", NULL), "\"serialNumber\":\"\""));
        CU_ASSERT_TRUE(shows(directory_nickname(d, "b", NULL), "\"der\":\"\"}"));
        CU_ASSERT_FALSE(shows(directory_nickname(d, "c", NULL), "\"der\":\"\"}"));
        directory_free(d);
}

static struct message_claim claim(const char *nickname, const char *claimant)
{
        return (struct message_claim){.nickname = nickname,
                .claimant = wire_bytes(claimant, strlen(claimant)),
                .host = "h",
                .since_usec = 5};
}

static void test_claims(void)
{
        struct message_claim first = claim("a", "\x01\x02"), bad[] = {first, first, first};
        static const char long_claimant[65];
        struct claims claims = {0};
        struct output output = {0};

        CU_ASSERT_EQUAL(claims_add(&claims, &first), 0);
        claims_begin(&claims, &(struct message_claims){.holds_claims = 1});
        CU_ASSERT_EQUAL(claims.n, 0);
        CU_ASSERT_EQUAL(claims_add(&claims, &first), 0);
        CU_ASSERT_TRUE(claims_have(&claims, "a", wire_bytes("\x01\x02", 2)));
        CU_ASSERT_FALSE(claims_have(&claims, "a", wire_bytes("\x01\x03", 2)));
        CU_ASSERT_FALSE(claims_have(&claims, "b", wire_bytes("\x01\x02", 2)));
        CU_ASSERT_STRING_EQUAL(claims_nickname(&claims, 0), "a");
        CU_ASSERT_PTR_NULL(claims_nickname(&claims, 1));
        claims_put(&output, &claims);
        output_bytes(&output, "", 1);
        CU_ASSERT_STRING_EQUAL(
                output.data, "{\"nickname\":\"a\",\"claimant\":\"0102\",\"host\":\"h\",\"sinceUSec\":5}");
        output_done(&output);
        bad[0].nickname = "\xff";
        bad[1].host = "\xff";
        bad[2].claimant = wire_bytes(long_claimant, sizeof(long_claimant));
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_EQUAL(claims_add(&claims, &bad[i]), -EBADMSG);
        claims_done(&claims);
}

static void test_claims_limit(void)
{
        struct claims claims = {0};
        char nickname[16];

        for (unsigned i = 0; i < LIMIT_CLAIMS + 5; i++) {
                struct message_claim message = claim(nickname, "x");

                snprintf(nickname, sizeof(nickname), "n%u", i);
                CU_ASSERT_EQUAL(claims_add(&claims, &message), 0);
        }
        CU_ASSERT_EQUAL(claims.n, LIMIT_CLAIMS);
        CU_ASSERT_STRING_EQUAL(claims_nickname(&claims, LIMIT_CLAIMS - 1), "n255");
        claims_done(&claims);
}

SUITE(broker_certificate, {"a certificate is rendered as the protocol has it", test_json},
        {"a certificate that cannot be is refused", test_impossible},
        {"a certificate that was not read is shown, and one that is too long without its bytes", test_odd},
        {"claims are kept as they were told last", test_claims},
        {"LIMIT_CLAIMS: what is more is dropped", test_claims_limit});
