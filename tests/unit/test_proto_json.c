/* SPDX-License-Identifier: MPL-2.0 */
/* proto/json.c: what RFC 8259 has is taken, and nothing else. */
#include "proto/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "tests/unit/suite.h"

static int parse(const char *text, size_t length)
{
        struct json_object *object = NULL;
        int r = json_parse(text, length, &object);

        CU_ASSERT_EQUAL(object != NULL, r == 0);
        json_object_put(object);
        return r;
}

static void expect(int result, const char *text)
{
        int r = parse(text, strlen(text));

        if (r != result)
                fprintf(stderr, "%s: %d, not %d\n", text, r, result);
        CU_ASSERT_EQUAL(r, result);
}

static void test_taken(void)
{
        expect(0, "{}");
        expect(0, " \t\r\n{ \"a\" : [ 1 , -0 , 0.5e+10 , 1E5, 2e-1 ] , \"b\":{\"a\":null,\"c\":[true,false]} "
                  "}\n");
        expect(0, "{\"\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\ude00\"}");
        expect(0, "{\"key\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbf\x7f\"}");
        expect(0, "{\"n\":99999999999999999999999999,\"x\":1e999}");
}

static void test_not_an_object(void)
{
        static const char *const texts[] = {
                "", " ", "[]", "1", "null", "\"{}\"", "true", "{", "}", "\xef\xbb\xbf{}"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                expect(-EBADMSG, texts[i]);
}

static void test_wider_than_json(void)
{
        static const char *const texts[] = {"{'k':1}", "{\"k\":'v'}", "{k:1}", "{\"k\":NaN}",
                "{\"k\":Infinity}", "{\"k\":-Infinity}", "{\"k\":nan}", "{\"k\":TRUE}", "{\"k\":True}",
                "{\"k\":Null}", "{\"k\":nul}", "{\"k\":truee}", "{/*c*/}", "{} //", "{}#", "{\"k\":01}",
                "{\"k\":-01}", "{\"k\":+1}", "{\"k\":.5}", "{\"k\":1.}", "{\"k\":1e}", "{\"k\":1e+}",
                "{\"k\":-}", "{\"k\":0x10}", "{\"k\":1,}", "{,}", "{\"k\":[1,]}", "{\"k\":[,]}",
                "{\"k\":[1 2]}", "{\"k\" 1}", "{\"k\":}", "{\"k\"}", "{\"k\":1}}", "{\"k\":1}{}", "{}x",
                "{\"k\":[1}", "{\"k\":[1}]", "{\"k\":\"}", "{1:2}", "{null:1}", "{\"k\":1;}"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                expect(-EBADMSG, texts[i]);
}

static void test_white_space(void)
{
        expect(-EBADMSG, "{\v}");
        expect(-EBADMSG, "{\f}");
        expect(-EBADMSG, "{\"k\":1\xc2\xa0}");
        expect(-EBADMSG, "\f{}");
}

static void test_control_characters(void)
{
        for (char c = 1; c < 0x20; c++) {
                char text[] = "{\"k\":\"a?b\"}";

                text[7] = c;
                expect(-EBADMSG, text);
                memcpy(text, "{\"?\":\"abc\"}", sizeof(text));
                text[2] = c;
                expect(-EBADMSG, text);
        }
}

static void test_nul(void)
{
        static const char raw[] = "{\"k\":\"a\0b\"}", behind[] = "{}\0", before[] = "\0{}";

        CU_ASSERT_EQUAL(parse(raw, sizeof(raw) - 1), -EBADMSG);
        CU_ASSERT_EQUAL(parse(behind, sizeof(behind) - 1), -EBADMSG);
        CU_ASSERT_EQUAL(parse(before, sizeof(before) - 1), -EBADMSG);
        expect(0, "{\"k\":\"a\\u0000b\"}"); /* who takes the value refuses it, by its name */
        expect(-EINVAL, "{\"a\\u0000b\":1}");
        expect(0, "{\"k\":\"a\\\\u0000b\"}");
}

static void test_surrogates(void)
{
        static const char *const texts[] = {"\\ud800", "\\udc00", "\\ud800x", "\\ud800\\n", "\\ud800\\u0041",
                "\\ud800\\ud800", "\\udc00\\ud800", "\\uD83D", "\\u12", "\\u12g4", "\\u", "\\x41", "\\a",
                "\\'", "\\U0041", "\\u+123", "\\u 123"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                char text[64];

                snprintf(text, sizeof(text), "{\"k\":\"%s\"}", texts[i]);
                expect(-EBADMSG, text);
        }
        expect(0, "{\"k\":\"\\uD83D\\uDE00\"}");
}

static void test_utf8(void)
{
        static const char *const texts[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3(",
                "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf",
                "\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                char text[64];

                snprintf(text, sizeof(text), "{\"k\":\"%s\"}", texts[i]);
                expect(-EBADMSG, text);
                snprintf(text, sizeof(text), "{\"%s\":1}", texts[i]);
                expect(-EBADMSG, text);
        }
        expect(-EBADMSG, "{\"k\":\"\xc3");
}

static void test_equal_keys(void)
{
        expect(-EINVAL, "{\"a\":1,\"a\":1}");
        expect(-EINVAL, "{\"a\":1,\"\\u0061\":2}");
        expect(-EINVAL, "{\"a\":[{\"b\":{}},{\"c\":null,\"c\":null}]}");
        expect(-EINVAL, "{\"a\":{\"x\":1,\"y\":2},\"a\":3}");
        expect(0, "{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}");
}

/* levels of objects and arrays, the outermost an object. */
static int parse_deep(unsigned levels, const char *open, const char *close)
{
        char text[512];
        size_t length = (size_t)snprintf(text, sizeof(text), "{\"a\":");

        for (unsigned i = 1; i < levels; i++)
                length += (size_t)snprintf(text + length, sizeof(text) - length, "%s", open);
        text[length++] = '1';
        for (unsigned i = 1; i < levels; i++)
                length += (size_t)snprintf(text + length, sizeof(text) - length, "%s", close);
        text[length++] = '}';
        return parse(text, length);
}

static void test_depth(void)
{
        CU_ASSERT_EQUAL(parse_deep(LIMIT_JSON_DEPTH, "[", "]"), 0);
        CU_ASSERT_EQUAL(parse_deep(LIMIT_JSON_DEPTH, "{\"a\":", "}"), 0);
        CU_ASSERT_EQUAL(parse_deep(LIMIT_JSON_DEPTH + 1, "[", "]"), -ELOOP);
        CU_ASSERT_EQUAL(parse_deep(LIMIT_JSON_DEPTH + 1, "{\"a\":", "}"), -ELOOP);
}

static void test_containers(void)
{
        static char text[LIMIT_MESSAGE];

        for (unsigned n = LIMIT_JSON_CONTAINERS - 1; n <= LIMIT_JSON_CONTAINERS; n++) {
                size_t length = (size_t)sprintf(text, "{\"a\":[{}");

                for (unsigned i = 3; i < n + 1; i++)
                        length += (size_t)sprintf(text + length, ",{}");
                length += (size_t)sprintf(text + length, "]}");
                CU_ASSERT_EQUAL(parse(text, length), n < LIMIT_JSON_CONTAINERS ? 0 : -EBADMSG);
        }
}

static void test_hostile(void)
{
        static const char *const repeated[] = {
                "[", "{\"a\":", "\"", "\\", "\\u", "\xf0\x9f", "1", "-", ",", "{", "]", "["};
        static char text[LIMIT_MESSAGE];

        for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
                size_t n = strlen(repeated[i]),
                       length = (size_t)sprintf(text, "{\"a\":%s", i % 2 ? "\"" : "");

                for (; length + n < sizeof(text); length += n)
                        memcpy(text + length, repeated[i], n);
                CU_ASSERT_TRUE(parse(text, length) < 0);
        }
}

static void expect_string(const char *text, const char *expected, size_t length)
{
        struct json_object *object = NULL, *value;

        CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &object), 0);
        CU_ASSERT_FATAL(json_object_object_get_ex(object, "k", &value));
        CU_ASSERT(json_object_is_type(value, json_type_string));
        CU_ASSERT_EQUAL_FATAL((size_t)json_object_get_string_len(value), length);
        CU_ASSERT_EQUAL(memcmp(json_object_get_string(value), expected, length + 1), 0);
        json_object_put(object);
}

static void test_strings(void)
{
        expect_string("{\"k\":\"\"}", "", 0);
        expect_string("{\"a much longer key\":\"and text\",\"\\u006b\":\"x\"}", "x", 1);
        expect_string("{\"k\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"}", "a\"\\/\b\f\n\r\tz", 10);
        expect_string("{\"k\":\"\\u0000\\u007f\\u0080\\u07FF\\u0800\\uffff\"}",
                "\0\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 12);
        expect_string("{\"k\":\"\\ud800\\udc00\\uDBFF\\uDFFF\\ud83d\\ude00\xf0\x9f\x98\x80\"}",
                "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 16);
}

static void test_values(void)
{
        static const char text[] =
                "{\"a\":[0,-0,-12,9223372036854775807,9223372036854775808,-9223372036854775809,1.0,1e2],"
                "\"b\":true,\"c\":false,\"d\":null,\"e\":{},\"f\":[]}";
        static const int64_t numbers[] = {0, 0, -12, INT64_MAX, INT64_MAX, INT64_MIN};
        struct json_object *object = NULL, *value = NULL, *array = NULL;

        CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &object), 0);
        CU_ASSERT_EQUAL(json_object_object_length(object), 6);
        CU_ASSERT_FATAL(json_object_object_get_ex(object, "a", &array));
        CU_ASSERT_EQUAL_FATAL(json_object_array_length(array), 8);
        for (size_t i = 0; i < 6; i++) {
                CU_ASSERT(json_object_is_type(json_object_array_get_idx(array, i), json_type_int));
                CU_ASSERT_EQUAL(json_object_get_int64(json_object_array_get_idx(array, i)), numbers[i]);
        }
        CU_ASSERT(json_object_is_type(json_object_array_get_idx(array, 6), json_type_double));
        CU_ASSERT(json_object_is_type(json_object_array_get_idx(array, 7), json_type_double));
        CU_ASSERT(json_object_get_boolean(json_object_object_get(object, "b")));
        CU_ASSERT(json_object_is_type(json_object_object_get(object, "c"), json_type_boolean));
        CU_ASSERT_FALSE(json_object_get_boolean(json_object_object_get(object, "c")));
        CU_ASSERT(json_object_object_get_ex(object, "d", &value));
        CU_ASSERT_PTR_NULL(value);
        CU_ASSERT_EQUAL(json_object_object_length(json_object_object_get(object, "e")), 0);
        CU_ASSERT_EQUAL(json_object_array_length(json_object_object_get(object, "f")), 0);
        json_object_put(object);
}

static void test_printed(void)
{
        static const char text[] =
                "{\"a\":[0,-12,9223372036854775807,1.50,1e2],\"b\":true,\"c\":false,\"d\":null,\"e\":{},"
                "\"f\":[],\"g/\":\"x\\\"\\\\\\u000a\\u007f\xc3\xa4\\u0000\"}";
        struct json_object *object = NULL, *value;
        char *printed = NULL;

        CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &object), 0);
        CU_ASSERT_EQUAL_FATAL(json_print(object, &printed), 0);
        CU_ASSERT_STRING_EQUAL(printed, text);
        free(printed);
        json_object_put(object);
        value = json_object_new_string("a\xff");
        CU_ASSERT_EQUAL(json_print(value, &printed), -EBADMSG);
        json_object_put(value);
}

static void test_many_members(void)
{
        char text[4096];
        size_t length = (size_t)sprintf(text, "{");
        struct json_object *object = NULL;

        for (int i = 0; i < 200; i++)
                length += (size_t)sprintf(text + length, "%s\"k%d\":%d", i ? "," : "", i, i);
        length += (size_t)sprintf(text + length, "}");
        CU_ASSERT_EQUAL_FATAL(json_parse(text, length, &object), 0);
        for (int i = 0; i < 200; i++) {
                char key[16];

                sprintf(key, "k%d", i);
                CU_ASSERT_EQUAL(json_object_get_int64(json_object_object_get(object, key)), i);
        }
        json_object_put(object);
}

static void test_cut(void)
{
        static const char text[] = "{\"a\":[1.5e3,true,null,\"\\ud83d\\ude00\xc3\xa4\"],\"b\":{\"c\":-1}}";

        for (size_t n = 0; n + 1 < sizeof(text); n++)
                CU_ASSERT_EQUAL(parse(text, n), -EBADMSG);
        CU_ASSERT_EQUAL(parse(text, sizeof(text) - 1), 0);
}

SUITE(proto_json, {"all of RFC 8259 is taken", test_taken},
        {"what is not an object is refused", test_not_an_object},
        {"what json-c takes beyond RFC 8259 is refused", test_wider_than_json},
        {"only space, tab, CR and LF are white space", test_white_space},
        {"raw control characters are refused", test_control_characters}, {"U+0000 is refused", test_nul},
        {"lone surrogates and broken escapes are refused", test_surrogates},
        {"what is not UTF-8 is refused", test_utf8}, {"a key given twice is refused", test_equal_keys},
        {"strings are decoded", test_strings}, {"values have their types", test_values},
        {"an object of many members is whole", test_many_members},
        {"what was parsed is printed as it was, what is not UTF-8 not at all", test_printed},
        {"LIMIT_JSON_DEPTH: depth 16 is taken, depth 17 refused", test_depth},
        {"LIMIT_JSON_CONTAINERS: one more is refused", test_containers},
        {"128 KiB of nothing but one thing is refused", test_hostile},
        {"a text cut anywhere is refused", test_cut});
