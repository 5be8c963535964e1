/* SPDX-License-Identifier: MPL-2.0 */
/* The pure parts of tokendctl: durations, escapes, widths, tables, PEM, hex. */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/printable.h"
#include "tests/unit/suite.h"

static void expect_duration(int64_t usec, const char *text)
{
        char buffer[32];

        duration_format(usec, buffer, sizeof(buffer));
        CU_ASSERT_STRING_EQUAL(buffer, text);
}

static void expect_latency(int64_t usec, const char *text)
{
        char buffer[32];

        latency_format(usec, buffer, sizeof(buffer));
        CU_ASSERT_STRING_EQUAL(buffer, text);
}

static void test_formats(void)
{
        expect_duration(-5, "0s");
        expect_duration(59999999, "59s");
        expect_duration(60000000, "1min");
        expect_duration(7260000000, "2h 1min");
        expect_duration(90000000000, "1d 1h");
        expect_latency(0, "-");
        expect_latency(999, "999us");
        expect_latency(1500, "1.5ms");
        expect_latency(2500000, "2.5s");
}

static void expect_escape(const char *text, const char *escaped)
{
        _cleanup_(freep) char *made = printable_new(text);

        CU_ASSERT_STRING_EQUAL(made, escaped);
}

static void test_escapes(void)
{
        expect_escape("Server-Cert cert-ca", "Server-Cert cert-ca");
        expect_escape("Schl\xc3\xbcssel \xe9\x8d\xb5", "Schl\xc3\xbcssel \xe9\x8d\xb5");
        expect_escape("a\033[31mb\n\x7f", "a\\x1b[31mb\\x0a\\x7f");
        expect_escape("\xc2\x9b", "\\xc2\\x9b"); /* C1: CSI */
        expect_escape("a\xe2\x80\xae"
                      "b",
                "a\\xe2\\x80\\xaeb"); /* right to left from here */
        expect_escape("\xff\xc3", "\\xff\\xc3");
        expect_escape("\xed\xa0\x80\xc0\x80", "\\xed\\xa0\\x80\\xc0\\x80");
        expect_escape("", "");
}

static void test_widths(void)
{
        setlocale(LC_CTYPE, "C.UTF-8");
        CU_ASSERT_EQUAL(terminal_width("abc"), 3);
        CU_ASSERT_EQUAL(terminal_width("\xc3\xa4"), 1);
        CU_ASSERT_EQUAL(terminal_width("a\xcc\x88"), 1);
        CU_ASSERT_EQUAL(terminal_width("\xe9\x8d\xb5"), 2);
}

static const char *red_second(unsigned column, const char *text)
{
        return column == 1 && strcmp(text, "b") == 0 ? "<" : NULL;
}

static void test_table(void)
{
        static const char *const heads[] = {"NAME", "STATE", ">N", "LAST"};
        char *text = NULL;
        size_t size;
        FILE *memory = open_memstream(&text, &size);
        struct table table;

        setlocale(LC_CTYPE, "C.UTF-8");
        table_init(&table, heads, ARRAY_SIZE(heads));
        table_add(&table, "\xc3\xa4\xe9\x8d\xb5");
        table_add(&table, "b");
        table_addf(&table, "%d", 7);
        table_add(&table, NULL);
        table_add(&table, "longer");
        table_add(&table, "c\n");
        table_addf(&table, "%d", 12345);
        table_add(&table, "x");
        CU_ASSERT_EQUAL(table_print(&table, memory, red_second), 0);
        fclose(memory);
        CU_ASSERT_STRING_EQUAL(text, "NAME    STATE      N  LAST\n"
                                     "\xc3\xa4\xe9\x8d\xb5     <b\033[0m          7  -\n"
                                     "longer  c\\x0a  12345  x\n");
        free(text);
        table_done(&table);
}

static void expect_pem(const char *label, size_t length, const char *expected)
{
        static const unsigned char bytes[49] = {0};
        char *text = pem_text(label, bytes, length);

        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        CU_ASSERT_STRING_EQUAL(text, expected);
        free(text);
}

static void test_pem(void)
{
        expect_pem("PUBLIC KEY", 48,
                "-----BEGIN PUBLIC KEY-----\n"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                "-----END PUBLIC KEY-----\n");
        expect_pem("X", 49,
                "-----BEGIN X-----\n"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                "AA==\n"
                "-----END X-----\n");
}

static void test_json(void)
{
        char *text = NULL;
        size_t size;
        FILE *memory = open_memstream(&text, &size);

        json_string_print(memory, "a\"b\\c\n\xc3\xa4");
        fclose(memory);
        CU_ASSERT_STRING_EQUAL(text, "\"a\\\"b\\\\c\\u000a\xc3\xa4\"");
        free(text);
}

static void test_hex(void)
{
        static const char *const wrong[] = {"0", "0g", "0x00", " 00", "00 ", "-1"};
        unsigned char *bytes = NULL;
        size_t length = 0;

        CU_ASSERT_EQUAL_FATAL(hex_parse("00fFA9", &bytes, &length), 0);
        CU_ASSERT_EQUAL(length, 3);
        CU_ASSERT_EQUAL(memcmp(bytes, "\x00\xff\xa9", 3), 0);
        free(bytes);
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
                CU_ASSERT_EQUAL(hex_parse(wrong[i], &bytes, &length), -EINVAL);
}

SUITE(client_text, {"durations and latencies are written for people", test_formats},
        {"names cannot act on a terminal", test_escapes},
        {"widths are in columns, not in bytes", test_widths},
        {"a table is aligned, whatever is in it", test_table}, {"PEM has lines of 64", test_pem},
        {"strings are written as JSON", test_json}, {"hex is read, and nothing else", test_hex});
