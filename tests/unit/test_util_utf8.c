/* SPDX-License-Identifier: MPL-2.0 */
/* UTF-8 by character, and JSON strings, which are made of it. */
#include <string.h>

#include "daemon/util/json-string.h"
#include "daemon/util/utf8.h"
#include "tests/unit/suite.h"

static void test_round_trip(void)
{
        bool good = true;

        for (uint32_t point = 0; point <= 0x10ffff; point++) {
                char bytes[4];
                uint32_t read = UINT32_MAX;
                size_t n = utf8_encode(point, bytes);
                bool surrogate = point >= 0xd800 && point <= 0xdfff;

                good = good && utf8_decode(bytes, n, &read) == (surrogate ? 0 : n);
                good = good && read == (surrogate ? UINT32_MAX : point);
                good = good && utf8_decode(bytes, n - 1, &read) == 0;
        }
        CU_ASSERT_TRUE(good);
}

static void test_malformed(void)
{
        static const char *const texts[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3(", "\xe0\x80\x80",
                "\xe0\x9f\xbf", "\xe2\x82(", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
                "\xf0\x9f\x98(", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xff",
                "\xfe"};
        uint32_t point = 7;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                CU_ASSERT_EQUAL(utf8_decode(texts[i], strlen(texts[i]), &point), 0);
        CU_ASSERT_EQUAL(utf8_decode("", 0, &point), 0);
        CU_ASSERT_EQUAL(point, 7);
}

static void test_cut(void)
{
        static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
        static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};

        for (size_t n = 0; n < ARRAY_SIZE(whole); n++)
                CU_ASSERT_EQUAL(utf8_whole(text, n), whole[n]);
        CU_ASSERT_EQUAL(utf8_whole("\xc3", 1), 0);
}

static void test_deceptive(void)
{
        static const uint32_t bad[] = {0, '\n', 0x1f, 0x7f, 0x80, 0x9f, 0x61c, 0x200b, 0x200d, 0x200f, 0x2028,
                0x202e, 0x2060, 0x2066, 0x2069, 0xfeff, 0xad, 0x34f, 0x115f, 0x180e, 0x206a, 0x3164, 0xfdd0,
                0xfe0f, 0xfff9, 0xffff, 0x1d173, 0xe0001, 0xe007f, 0x10fffe};
        static const uint32_t good[] = {
                ' ', '~', 0xa0, 0xe4, 0x200a, 0x2010, 0x2027, 0x202f, 0x2070, 0xfffd, 0x1f600, 0xe1000};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_TRUE(utf8_is_deceptive(bad[i]));
        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                CU_ASSERT_FALSE(utf8_is_deceptive(good[i]));
        CU_ASSERT_FALSE(utf8_is_control(0x202e));
}

static void expect_json(const char *text, size_t length, const char *json)
{
        char made[256], room[JSON_STRING_ESCAPE_SIZE];
        const char *at = text, *piece;
        size_t n, made_length = 0;

        while ((n = json_string_next(&at, text + length, &piece, room)) > 0) {
                memcpy(made + made_length, piece, n);
                made_length += n;
        }
        made[made_length] = '\0';
        CU_ASSERT_PTR_EQUAL(at, text + length);
        CU_ASSERT_STRING_EQUAL(made, json);
}

static void test_written(void)
{
        expect_json("", 0, "");
        expect_json("Server-Cert cert-ca", 19, "Server-Cert cert-ca");
        expect_json("a\"b\\", 4, "a\\\"b\\\\");
        expect_json("\n\x7f\0x", 4, "\\u000a\\u007f\\u0000x");
        expect_json("\xc3\xa4\xe2\x80\xae\xf0\x9f\x98\x80", 9, "\xc3\xa4\\u202e\xf0\x9f\x98\x80");
        expect_json("\xff\xc3", 2, "\\ufffd\\ufffd");
        expect_json("\xf3\xa0\x80\x81", 4, "\\udb40\\udc01"); /* a tag: as a surrogate pair */
}

/* What was written is read again as it was. */
static void test_read_again(void)
{
        static const char text[] = "\"\\/\b\f\n\r\t\x01 \x7f\xc2\x9b\xe2\x80\xae\xef\xbb\xbf\xf0\x9f\x98\x80";
        char json[256] = "\"", read[256], room[JSON_STRING_ESCAPE_SIZE];
        const char *at = text, *end = text + sizeof(text) - 1, *piece;
        size_t length = 1, n;

        while ((n = json_string_next(&at, end, &piece, room)) > 0) {
                memcpy(json + length, piece, n);
                length += n;
        }
        json[length++] = '"';
        at = json;
        CU_ASSERT_EQUAL_FATAL(json_string_scan(&at, json + length, false), 0);
        CU_ASSERT_PTR_EQUAL(at, json + length);
        CU_ASSERT_EQUAL_FATAL(json_string_decode(json, at, read), sizeof(text) - 1);
        CU_ASSERT_EQUAL(memcmp(read, text, sizeof(text) - 1), 0);
}

SUITE(util_utf8, {"every character is read as it was written, and no part of it", test_round_trip},
        {"what is not UTF-8 is not decoded", test_malformed}, {"text is cut between characters", test_cut},
        {"characters that are not seen, or turn text, are deceptive", test_deceptive},
        {"a JSON string escapes what must not be seen as it is", test_written},
        {"a JSON string is read again as it was written", test_read_again});
