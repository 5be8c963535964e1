/* SPDX-License-Identifier: MPL-2.0 */
/* The lines of the audit file. The hashes here were made with sha256sum(1). */
#include <string.h>

#include "daemon/audit/batch.h"
#include "daemon/audit/signed-head.h"
#include "daemon/audit/line.h"
#include "tests/unit/suite.h"

#define ZERO   "0000000000000000000000000000000000000000000000000000000000000000"
#define HASH_1 "44066f29c1cbe0746ea0eafea7488364ae4248cb953f409e78c1fdcdcfe3e98e"
#define HASH_2 "ba18bcc3cde66beda2d8bc275062d9c07430f8a294c64fe131aca89229ec0c9d"
#define LINE_1 "{\"seq\":1,\"prev\":\"" ZERO "\",\"kind\":\"start\",\"hash\":\"" HASH_1 "\"}\n"
#define LINE_2                                                                                               \
        "{\"seq\":2,\"prev\":\"" HASH_1 "\",\"kind\":\"sign\",\"key\":\"a \\\"b\\\"\",\"hash\":\"" HASH_2    \
        "\"}\n"

static bool line_is(struct chain *chain, const char *text, const char *expected)
{
        char line[LINE_MAX_BYTES];
        size_t length;

        return line_format(chain, text, strlen(text), line, sizeof(line), &length) == 0 &&
               length == strlen(expected) && memcmp(line, expected, length) == 0;
}

static void test_vectors(void)
{
        struct chain chain = {0};

        CU_ASSERT(line_is(&chain, "{\"kind\":\"start\"}", LINE_1));
        CU_ASSERT(line_is(&chain, "{\"kind\":\"sign\",\"key\":\"a \\\"b\\\"\"}", LINE_2));
        CU_ASSERT_EQUAL(chain.seq, 2);
}

static void test_checked(void)
{
        struct chain chain = {0}, found;

        CU_ASSERT(line_is(&chain, "{\"kind\":\"start\"}", LINE_1));
        CU_ASSERT(line_check(LINE_1, strlen(LINE_1) - 1, &found));
        CU_ASSERT_EQUAL(found.seq, 1);
        CU_ASSERT_EQUAL(memcmp(found.hash, chain.hash, sizeof(chain.hash)), 0);
}

static void test_every_byte(void)
{
        size_t length = strlen(LINE_2) - 1;
        char line[] = LINE_2;
        struct chain found;

        for (size_t i = 0; i < length; i++) {
                line[i] ^= 1;
                CU_ASSERT_FALSE(line_check(line, length, &found));
                line[i] ^= 1;
        }
        CU_ASSERT(line_check(line, length, &found));
}

static void test_every_length(void)
{
        struct chain found;

        for (size_t length = 0; length < strlen(LINE_2) - 1; length++)
                CU_ASSERT_FALSE(line_check(LINE_2, length, &found));
        CU_ASSERT_FALSE(line_check(LINE_2, strlen(LINE_2), &found));
}

static void test_refused(void)
{
        static const char *const texts[] = {"", "{}", "[1,2,3]", "{\"a\":1", "\"a\":1}", "{ \"a\":1}",
                "{\"a\":1}\n", "{\"a\":\"\n\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\xff\"}",
                "{\"a\":\"\xc0\x80\"}"};
        struct chain chain = {.seq = 7}, before = chain;
        char line[LINE_MAX_BYTES];
        size_t length;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                CU_ASSERT_FALSE(line_text_ok(texts[i], strlen(texts[i])));
                CU_ASSERT_EQUAL(line_format(&chain, texts[i], strlen(texts[i]), line, sizeof(line), &length),
                        -EINVAL);
        }
        CU_ASSERT_EQUAL(memcmp(&chain, &before, sizeof(chain)), 0);
        CU_ASSERT_FALSE(line_text_ok("{\"a\":\"\0\"}", 9));
}

static void test_longest(void)
{
        static char text[LIMIT_AUDIT_RECORD + 1], line[LINE_MAX_BYTES];
        struct chain chain = {.seq = UINT64_MAX / 10 - 10}, found;
        size_t length;

        memset(text, 'x', sizeof(text));
        memcpy(text, "{\"a\":\"", 6);
        memcpy(text + LIMIT_AUDIT_RECORD - 2, "\"}", 2);
        CU_ASSERT_EQUAL(line_format(&chain, text, LIMIT_AUDIT_RECORD, line, sizeof(line), &length), 0);
        CU_ASSERT(line_check(line, length - 1, &found));
        CU_ASSERT_EQUAL(found.seq, chain.seq);
        CU_ASSERT_EQUAL(line_format(&chain, text, LIMIT_AUDIT_RECORD, line, length - 1, &length), -EMSGSIZE);
        memcpy(text + LIMIT_AUDIT_RECORD - 2, "xx\"}", 3);
        CU_ASSERT_FALSE(line_text_ok(text, LIMIT_AUDIT_RECORD + 1));
}

static void test_batch(void)
{
        _cleanup_(batch_done) struct batch batch;
        size_t at = 0, length;

        CU_ASSERT_EQUAL_FATAL(batch_init(&batch, 16), 0);
        CU_ASSERT_EQUAL(batch_add(&batch, "first", 5), 0);
        CU_ASSERT_EQUAL(batch_add(&batch, "second", 6), 0);
        CU_ASSERT_EQUAL(batch_add(&batch, "toolong", 7), -ENOBUFS);
        CU_ASSERT_STRING_EQUAL(batch_next(&batch, &at, &length), "first");
        CU_ASSERT_STRING_EQUAL(batch_next(&batch, &at, &length), "second");
        CU_ASSERT_EQUAL(length, 6);
        CU_ASSERT_PTR_NULL(batch_next(&batch, &at, &length));
        batch_clear(&batch);
        at = 0;
        CU_ASSERT_PTR_NULL(batch_next(&batch, &at, &length));
        CU_ASSERT_EQUAL(batch_add(&batch, "toolong", 7), 0);
}

static void test_head(void)
{
        struct chain chain = {.seq = 42};
        struct message_head_signed answer = {.seq = 42,
                .ok = 1,
                .algorithm = 7,
                .key = "hsm:\"audit\"",
                .spki = wire_bytes("\x30\x01", 2),
                .signature = wire_bytes("\xff", 1)};
        char text[LIMIT_AUDIT_RECORD + 1];
        size_t length;

        CU_ASSERT_EQUAL(signed_head_message(&chain, text), strlen(text));
        CU_ASSERT_STRING_EQUAL(text, "tokend audit head 1\nseq=42\nhash=" ZERO "\n");
        CU_ASSERT_EQUAL(signed_head_record(&chain, &answer, text, sizeof(text), &length), 0);
        CU_ASSERT(line_text_ok(text, length));
        CU_ASSERT_PTR_NOT_NULL(strstr(text,
                "\"kind\":\"head\",\"signedSeq\":42,\"signedHash\":\"" ZERO
                "\",\"algorithm\":\"ecdsa_sha256\",\"key\":\"hsm:\\\"audit\\\"\",\"publicKey\":\"3001\","
                "\"signature\":\"ff\"}"));
}

static void test_head_refused(void)
{
        static uint8_t big[LIMIT_SIGNATURE + 65];
        const struct message_head_signed good = {.ok = 1,
                .algorithm = 1,
                .key = "k",
                .spki = wire_bytes(big, LIMIT_SIGNATURE + 64),
                .signature = wire_bytes(big, LIMIT_SIGNATURE)};
        struct message_head_signed bad[5] = {good, good, good, good, good};
        struct chain chain = {.seq = 1};
        char text[LIMIT_AUDIT_RECORD + 1];
        size_t length;

        bad[0].algorithm = 0;
        bad[1].algorithm = 200;
        bad[2].spki = wire_bytes(big, LIMIT_SIGNATURE + 65);
        bad[3].signature = wire_bytes(big, LIMIT_SIGNATURE + 1);
        bad[4].signature = wire_bytes(NULL, 0);
        CU_ASSERT_EQUAL(signed_head_record(&chain, &good, text, sizeof(text), &length), 0);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_EQUAL(signed_head_record(&chain, &bad[i], text, sizeof(text), &length), -EBADMSG);
}

SUITE(audit_line, {"lines have the hashes that sha256sum gives", test_vectors},
        {"a line that was written is whole", test_checked},
        {"no bit of a line can be changed", test_every_byte},
        {"a line that was cut anywhere is none", test_every_length},
        {"a text that would break the lines is refused", test_refused},
        {"the longest record fits, one byte more does not", test_longest},
        {"a batch keeps order and bound", test_batch}, {"a head is signed as documented", test_head},
        {"an answer that is no signature is refused", test_head_refused});
