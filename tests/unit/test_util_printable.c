/* SPDX-License-Identifier: MPL-2.0 */
/* Whatever bytes come, what comes out is UTF-8 that does nothing on a terminal and stays on its line. */
#include <stdlib.h>
#include <string.h>

#include "daemon/util/printable.h"
#include "daemon/util/text.h"
#include "daemon/util/utf8.h"
#include "tests/unit/suite.h"

static void check_harmless(const char *text, size_t length)
{
        uint32_t point;

        for (size_t at = 0, n; at < length; at += n) {
                n = utf8_decode(text + at, length - at, &point);
                CU_ASSERT_FATAL(n > 0);
                CU_ASSERT_FALSE(utf8_is_deceptive(point));
        }
}

static void expect_printed(const char *text, size_t length, const char *printed)
{
        char out[256];

        CU_ASSERT_EQUAL(printable_copy(out, sizeof(out), text, length), strlen(printed));
        CU_ASSERT_STRING_EQUAL(out, printed);
}
#define EXPECT(text, printed) expect_printed(text, sizeof(text) - 1, printed)

static void test_texts(void)
{
        EXPECT("", "");
        EXPECT("Server-Cert cert-ca", "Server-Cert cert-ca");
        EXPECT("Schl\xc3\xbcssel \xe9\x8d\xb5 \xf0\x9f\x94\x91",
                "Schl\xc3\xbcssel \xe9\x8d\xb5 \xf0\x9f\x94\x91");
        EXPECT("a\0b\x1b]0;x\x07\r\n", "a\\x00b\\x1b]0;x\\x07\\x0d\\x0a");
        EXPECT("\xc2\x9b"
               "2J",
                "\\xc2\\x9b2J");
        EXPECT("\xe2\x80\xaegpj.exe\xe2\x80\xa8", "\\xe2\\x80\\xaegpj.exe\\xe2\\x80\\xa8");
        EXPECT("\xff\xc0\xaf\xed\xa0\x80\xe2\x82", "\\xff\\xc0\\xaf\\xed\\xa0\\x80\\xe2\\x82");
        EXPECT("\xf3\xa0\x80\x81", "\\xf3\\xa0\\x80\\x81");
        EXPECT("%s%n{}\"\\", "%s%n{}\"\\");
}

/* Each code point, alone and cut short; and all pairs of bytes. */
static void test_all(void)
{
        char text[4], out[64];

        for (uint32_t point = 0; point <= 0x10ffff; point++) {
                size_t n = utf8_encode(point, text);

                for (size_t cut = 1; cut <= n; cut++) {
                        size_t length = printable_copy(out, sizeof(out), text, cut);

                        check_harmless(out, length);
                        CU_ASSERT(length == cut || length == 4 * cut);
                }
        }
        for (unsigned pair = 0; pair < 65536; pair++) {
                text[0] = (char)(pair >> 8);
                text[1] = (char)pair;
                check_harmless(out, printable_copy(out, sizeof(out), text, 2));
        }
}

/* In buffers of every size, without half a character or half an escape. */
static void test_cut(void)
{
        static const char text[] = "a\xe2\x82\xac\x1b\xe2\x80\xae\xff\xf0\x9f\x98\x80z";
        static const char printed[] = "a\xe2\x82\xac\\x1b\\xe2\\x80\\xae\\xff\xf0\x9f\x98\x80z";
        char out[64];

        for (size_t size = 1; size <= sizeof(printed) + 1; size++) {
                size_t length = printable_copy(out, size, text, sizeof(text) - 1);

                CU_ASSERT(length < size && strlen(out) == length && memcmp(out, printed, length) == 0);
                check_harmless(out, length);
                /* What is missing did not fit: it is an escape of up to twelve bytes, or a character. */
                CU_ASSERT(length == sizeof(printed) - 1 || size - length <= 12);
        }
}

static void test_long(void)
{
        _cleanup_(freep) char *text = malloc(65537), *made = NULL;

        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        memset(text, '\n', 65536);
        text[65536] = '\0';
        made = printable_new(text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(made);
        CU_ASSERT_EQUAL(strlen(made), 4 * 65536);
        check_harmless(made, strlen(made));
}

static void test_stop(void)
{
        CU_ASSERT_EQUAL(printable_run("ab\"c", 4, "\"\\"), 2);
        CU_ASSERT_EQUAL(printable_run("ab\\c", 4, "\"\\"), 2);
        CU_ASSERT_EQUAL(printable_run("ab\"c", 4, ""), 4);
        CU_ASSERT_EQUAL(printable_run("ab\0c", 4, ""), 2);
        CU_ASSERT_EQUAL(printable_run("", 0, ""), 0);
}

SUITE(util_printable, {"texts that do something are escaped, others stand as they are", test_texts},
        {"whatever the bytes are, what comes out does nothing", test_all},
        {"a text is cut between two characters, and between two escapes", test_cut},
        {"a text of 64 KiB is escaped whole", test_long},
        {"a run ends before what must not stand in it", test_stop});
