/* SPDX-License-Identifier: MPL-2.0 */
/* What tokend-audit takes from the broker, and what it refuses. */
#include <stdio.h>
#include <string.h>

#include "daemon/audit/foreign-record.h"
#include "daemon/audit/own-kind.h"
#include "daemon/util/audit.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

static bool is_taken(const char *text)
{
        return foreign_record_fault(text, strlen(text)) == NULL;
}

static void test_taken(void)
{
        static const char *const texts[] = {"{\"kind\":\"sign\"}",
                "{\"kind\":\"sign\", \"n\": 1, \"m\": -20}", "{\"a\":true,\"b\":false,\"c\":null,\"d\":0}",
                "{\"key\":\"\\\"}\\n{\\u00fc\"}", "{\"key\":\"\xc3\xbc\"}", "{\"x\":\"seq\",\"y\":\"start\"}",
                "{\"kind\":\"Start\"}"};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                CU_ASSERT(is_taken(texts[i]));
}

static void test_chain(void)
{
        CU_ASSERT_FALSE(is_taken("{\"kind\":\"sign\",\"seq\":2}"));
        CU_ASSERT_FALSE(is_taken("{\"prev\":\"00\"}"));
        CU_ASSERT_FALSE(is_taken("{\"hash\":null}"));
        CU_ASSERT_FALSE(is_taken("{\"h\\u0061sh\":\"00\"}"));
        CU_ASSERT_FALSE(is_taken("{ \"\\u0073\\u0065\\u0071\" : 7}"));
}

static void test_own_kinds(void)
{
        for (unsigned i = 0; i < OWN_KIND_MAX_; i++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "{\"time\":\"x\",\"kind\":\"%s\"}", own_kind_name(i));
                CU_ASSERT_FALSE(is_taken(text));
        }
        CU_ASSERT_FALSE(is_taken("{\"k\\u0069nd\":\"\\u0068ead\"}"));
        CU_ASSERT_FALSE(is_taken("{\"kind\":\"head\\u0000er\"}"));
}

static void test_twice(void)
{
        CU_ASSERT_FALSE(is_taken("{\"kind\":\"sign\",\"kind\":\"delete\"}"));
        CU_ASSERT_FALSE(is_taken("{\"kind\":\"sign\",\"kin\\u0064\":\"delete\"}"));
}

static void test_not_flat_json(void)
{
        static const char *const texts[] = {"", "{}", "[]", "{\"a\":{}}", "{\"a\":[1]}", "{\"a\":1",
                "{\"a\":1}}", "{\"a\":1},{\"b\":2}", "{\"a\":1,}", "{\"a\"}", "{\"a\":}", "{\"a\":01}",
                "{\"a\":1e9}", "{\"a\":-}", "{\"a\":nul}", "{\"a\":'b'}", "{\"a\":\"\\x\"}",
                "{\"a\":\"\\ud800\"}", "{\"a\":\"b\"\"c\"}", "{\"\":1}", "{\"a\\u0000b\":1}",
                "{\"a\":\"b\\u0000\"}", "{\"a\":\"b}", "{\"a\":\"\n\"}", "{\"a\":\"\x1b[2J\"}",
                "{\"a\":\"\x7f\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc2\x9b[J\"}", "{\"a\":\"\xe2\x80\xae\"}",
                "{\"kind\":\"sign\"}\n{\"kind\":\"sign\"}"};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                CU_ASSERT_FALSE(is_taken(texts[i]));
        CU_ASSERT_PTR_NOT_NULL(foreign_record_fault("{\"a\":\"\0\"}", 9));
}

static void test_long(void)
{
        static char text[LIMIT_AUDIT_RECORD + 2];
        size_t length = 1;

        (void)snprintf(text, sizeof(text), "{\"a\":\"%0*d\"}", (int)LIMIT_AUDIT_RECORD - 8, 0);
        CU_ASSERT_EQUAL(strlen(text), LIMIT_AUDIT_RECORD);
        CU_ASSERT(is_taken(text));
        (void)snprintf(text, sizeof(text), "{\"a\":\"%0*d\"}", (int)LIMIT_AUDIT_RECORD - 7, 0);
        CU_ASSERT_FALSE(is_taken(text));
        (void)snprintf(text, sizeof(text), "{\"%0*d\":1}", 100, 0);
        CU_ASSERT_FALSE(is_taken(text));
        text[0] = '{';
        for (unsigned i = 0; i < 65; i++)
                length +=
                        (size_t)snprintf(text + length, sizeof(text) - length, "%s\"%u\":1", i ? "," : "", i);
        (void)snprintf(text + length, sizeof(text) - length, "}");
        CU_ASSERT_FALSE(is_taken(text));
}

/* Of one text after the other every byte in turn becomes another: nothing is read beyond the end, and whatever is taken is one line. */
static void test_every_byte(void)
{
        static const char good[] = "{\"kind\":\"sign\",\"key\":\"a\\u00fc\\\"\",\"n\":12,\"x\":null}";
        char *text = malloc(sizeof(good) - 1);

        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        for (size_t i = 0; i < sizeof(good) - 1; i++)
                for (unsigned c = 0; c < 256; c++) {
                        memcpy(text, good, sizeof(good) - 1);
                        text[i] = (char)c;
                        if (foreign_record_fault(text, sizeof(good) - 1) == NULL)
                                CU_ASSERT(c >= 0x20 && c < 0x7f);
                        (void)foreign_record_fault(text, i);
                }
        free(text);
}

/* Nothing that the broker words is refused. */
static void test_honest(void)
{
        static const uint8_t bytes[LIMIT_KEY_ID];
        static const char hostile[] = "\",\"seq\":1\n\x1b[2J\x7f\xff\xc2\x9b\xe2\x80\xae\\u0000";
        char text[LIMIT_AUDIT_RECORD + 1];
        size_t length;

        for (unsigned kind = AUDIT_KIND_NONE_ + 1; kind < AUDIT_KIND_MAX_; kind++) {
                const struct audit_record record = {.kind = kind,
                        .when_usec = UINT64_MAX / 2,
                        .instance = hostile,
                        .has_peer = true,
                        .uid = UINT32_MAX,
                        .unit = hostile,
                        .token = hostile,
                        .nickname = hostile,
                        .key_id = bytes,
                        .key_id_length = sizeof(bytes),
                        .operation = hostile,
                        .algorithm = hostile,
                        .digest = bytes,
                        .digest_length = sizeof(bytes),
                        .of_message = true,
                        .message_length = UINT64_MAX,
                        .result = hostile,
                        .ckr = hostile,
                        .reason = hostile,
                        .request = UINT64_MAX,
                        .attempt = 2,
                        .count = UINT64_MAX};

                /* These two go to the journal alone. */
                if (kind == AUDIT_LOST || kind == AUDIT_BACK)
                        continue;
                CU_ASSERT_EQUAL_FATAL(audit_json(&record, text, sizeof(text), &length), 0);
                CU_ASSERT_PTR_NULL(foreign_record_fault(text, length));
        }
}

SUITE(audit_foreign_record, {"a flat object of strings and numbers is taken", test_taken},
        {"a member of the chain is refused, however it is spelt", test_chain},
        {"a kind that tokend-audit alone writes is refused", test_own_kinds},
        {"a member that occurs twice is refused", test_twice},
        {"what is not flat JSON on one line is refused", test_not_flat_json},
        {"what is too long is refused", test_long},
        {"any byte may be changed, and nothing is read beyond the end", test_every_byte},
        {"every record that the broker words is taken", test_honest});
