/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/util/text.c: what is UTF-8, and what may be a nickname. */
#include "daemon/util/duration.h"
#include "daemon/util/text.h"

#include <string.h>

#include "proto/limits.h"
#include "tests/unit/suite.h"

static bool utf8(const char *text)
{
        return text_is_utf8(text, strlen(text));
}

static void test_good(void)
{
        static const char *const good[] = {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
                "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
                "a\xc3\xa4z"};

        for (size_t i = 0; i < ARRAY_SIZE(good); i++)
                CU_ASSERT(utf8(good[i]));
}

static void test_bad(void)
{
        static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z",
                "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf",
                "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe",
                "\xff", "a\xffz"};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                CU_ASSERT_FALSE(utf8(bad[i]));
        /* The length counts, not a NUL. */
        CU_ASSERT_FALSE(text_is_utf8("\xc3\xa4", 1));
        CU_ASSERT(text_is_utf8("a\0b", 3));
}

static void test_nickname(void)
{
        char longest[LIMIT_NICKNAME + 1];

        memset(longest, 'x', sizeof(longest));
        CU_ASSERT(text_is_nickname("Server-Cert cert-ca \xc3\xa4", 22));
        CU_ASSERT(text_is_nickname(longest, LIMIT_NICKNAME));
        CU_ASSERT_FALSE(text_is_nickname(longest, LIMIT_NICKNAME + 1));
        CU_ASSERT_FALSE(text_is_nickname("", 0));
        CU_ASSERT_FALSE(text_is_nickname("a:b", 3));
        CU_ASSERT_FALSE(text_is_nickname("a\nb", 3));
        CU_ASSERT_FALSE(text_is_nickname("a\0b", 3));
        CU_ASSERT_FALSE(text_is_nickname("\x7f", 1));
        CU_ASSERT_FALSE(text_is_nickname("\xc2\x85", 2));
        CU_ASSERT_FALSE(text_is_nickname("\xc2\x9f", 2));
        CU_ASSERT(text_is_nickname("\xc2\xa0", 2));
        CU_ASSERT_FALSE(text_is_nickname("\xff", 1));
}

static void test_listable(void)
{
        CU_ASSERT(text_is_listable("a:b", 3));
        CU_ASSERT_FALSE(text_is_listable("a\tb", 3));
        CU_ASSERT_FALSE(text_is_listable("", 0));
}

static void test_hex(void)
{
        char hex[9];

        text_hex("\x00\x9f\xff\x10", 4, hex);
        CU_ASSERT_STRING_EQUAL(hex, "009fff10");
        text_hex("", 0, hex);
        CU_ASSERT_STRING_EQUAL(hex, "");
}

static void test_unhex(void)
{
        unsigned char bytes[4] = {0};

        CU_ASSERT_TRUE(text_unhex("009fFf1A", 4, bytes));
        CU_ASSERT_EQUAL(memcmp(bytes, "\x00\x9f\xff\x1a", 4), 0);
        CU_ASSERT_TRUE(text_unhex("", 0, bytes));
        CU_ASSERT_FALSE(text_unhex("0", 1, bytes));
        CU_ASSERT_FALSE(text_unhex("0g", 1, bytes));
        CU_ASSERT_FALSE(text_unhex("-1", 1, bytes));
        CU_ASSERT_FALSE(text_unhex(" 1", 1, bytes));
        for (int c = 0; c < 256; c++)
                CU_ASSERT_EQUAL(
                        text_hex_digit((char)c) >= 0, c > 0 && strchr("0123456789abcdefABCDEF", c) != NULL);
}

static void test_durations(void)
{
        static const struct {
                const char *text;
                int64_t usec;
        } durations[] = {{"500ms", 500000}, {"10s", 10000000}, {"2min", 120000000}, {"2m", 120000000},
                {"7", 7000000}, {" 1min 30s ", 90000000}, {"1min30s", 90000000}, {"1 sec", 1000000},
                {"1000us", 1000}, {"1.5s", 1500000}, {"0.25h", 900000000}, {"1day", 86400000000},
                {"\xc2\xb5s", -EINVAL}, {"3\xc2\xb5s", 3}, {"0", 0}, {"25h", -ERANGE}, {"23h 61min", -ERANGE},
                {"99999999999999999999999s", -ERANGE}, {"", -EINVAL}, {" ", -EINVAL}, {"s", -EINVAL},
                {"-1s", -EINVAL}, {"+1s", -EINVAL}, {"1.s", -EINVAL}, {"10S", -EINVAL}, {"10sx", -EINVAL},
                {"10s,", -EINVAL}, {"infinity", -EINVAL}};

        for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
                uint64_t usec = UINT64_MAX;
                int r = duration_parse(durations[i].text, &usec);

                CU_ASSERT_EQUAL(r < 0 ? r : (int64_t)usec, durations[i].usec);
        }
}

static void test_label(void)
{
        static const struct {
                const char *label;
                size_t length;
                const char *nickname;
        } labels[] = {{"k", 1, "k"}, {"k\0", 2, "k"}, {"k\0\0\0", 4, "k"}, {"k ", 2, "k "}, {"", 0, ""},
                {"\0\0", 2, ""}, {"a\0b", 3, ""}, {"a\0b\0", 4, ""},
                {"Pr\xfc"
                 "f",
                        4, ""},
                {"a\nb", 3, ""}};

        for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
                char nickname[8] = "xxxxxxx";

                CU_ASSERT_EQUAL(
                        text_label(nickname, labels[i].label, labels[i].length), strlen(labels[i].nickname));
                CU_ASSERT_STRING_EQUAL(nickname, labels[i].nickname);
        }
}

static void test_field(void)
{
        static const char *const fields[][2] = {{"ab      ", "ab"}, {"ab\0\0\0\0\0\0", "ab"},
                {"ab \0 \0  ", "ab"}, {"        ", ""}, {"\0\0\0\0\0\0\0\0", ""}, {" lead   ", " lead"},
                {"a\0b     ", "a?b"}, {"a\nb\x7f    ", "a?b?"}, {"\xc3\xa4\x01     ", "\xc3\xa4?"},
                {"\xc3\xa4\xff     ", "???"}, {"full    ", "full"}};

        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                char text[9];

                memcpy(text, fields[i][0], 8);
                text_field(text, text, 8);
                CU_ASSERT_STRING_EQUAL(text, fields[i][1]);
        }
}

static void test_format(void)
{
        _cleanup_(freep) char *text = text_format("%s-%d", "a", 7);

        CU_ASSERT_STRING_EQUAL(text, "a-7");
}

SUITE(util_text, {"bytes are read from hexadecimal digits of either case", test_unhex},
        {"durations are read as systemd writes them", test_durations},
        {"well-formed UTF-8 is UTF-8", test_good},
        {"overlong, cut, surrogate and too large characters are not", test_bad},
        {"a nickname has 1 to LIMIT_NICKNAME bytes, no control character and no colon", test_nickname},
        {"a nickname that others gave may have a colon", test_listable}, {"hex is lower-case", test_hex},
        {"a label without the NULs at its end is a nickname if it is listable", test_label},
        {"a field loses its padding and what cannot be shown", test_field},
        {"a text is made from a format", test_format});
