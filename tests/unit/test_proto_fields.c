/* SPDX-License-Identifier: MPL-2.0 */
/* proto/fields.c: each kind of field, within and beyond its range. */
#include "proto/fields.h"

#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "tests/unit/suite.h"

struct sample {
        const char *name;
        struct field_bytes digest;
        int64_t size;
        bool loadable;
        struct json_object *usage, *key, *keys;
        struct inner {
                const char *type;
                int64_t length;
        } inner;
};

#define AT(member) offsetof(struct sample, member)
static const struct field inner_fields[] = {
        {.name = "type",
                .kind = FIELD_STRING,
                .required = true,
                .offset = offsetof(struct inner, type),
                .max = 4},
        {.name = "length",
                .kind = FIELD_INT,
                .offset = offsetof(struct inner, length),
                .max = 64,
                .otherwise = 16},
};
static const struct field fields[] = {
        {.name = "name", .kind = FIELD_STRING, .required = true, .offset = AT(name), .min = 1, .max = 8},
        {.name = "digest", .kind = FIELD_BYTES, .offset = AT(digest), .min = 2, .max = 4},
        {.name = "size", .kind = FIELD_INT, .offset = AT(size), .min = 2048, .max = 8192, .otherwise = 3072},
        {.name = "loadable", .kind = FIELD_BOOL, .offset = AT(loadable)},
        {.name = "usage", .kind = FIELD_STRINGS, .offset = AT(usage), .max = 3},
        {.name = "key", .kind = FIELD_OBJECT, .offset = AT(key)},
        {.name = "keys", .kind = FIELD_ARRAY, .offset = AT(keys)},
        {.name = "inner", .kind = FIELD_STRUCT, .offset = AT(inner), .of = inner_fields, .n_of = 2},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* Parses and, where bad is given, expects that name to be refused. The object lives until finish(). */
static struct json_object *object;
static struct sample sample;

static void start(const char *text, bool strict, const char *bad)
{
        struct field_fault fault = {0};
        int r;

        object = NULL;
        memset(&sample, 0xee, sizeof(sample)); /* nothing is taken as set */
        CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &object), 0);
        r = fields_parse(fields, N_FIELDS, object, strict, &sample, &fault);
        CU_ASSERT_EQUAL(r, bad ? 1 : 0);
        if (bad) {
                CU_ASSERT_PTR_NOT_NULL_FATAL(fault.name);
                CU_ASSERT_STRING_EQUAL(fault.name, bad);
                CU_ASSERT_TRUE(fault.reason[0] != '\0');
        }
}

static void finish(void)
{
        fields_done(fields, N_FIELDS, &sample);
        json_object_put(object);
}

static void expect_bad(const char *text, const char *bad)
{
        start(text, true, bad);
        finish();
}

static void test_struct(void)
{
        start("{\"name\":\"ca\",\"inner\":{\"type\":\"aes\",\"length\":32}}", true, NULL);
        CU_ASSERT_STRING_EQUAL(sample.inner.type, "aes");
        CU_ASSERT_EQUAL(sample.inner.length, 32);
        finish();
        start("{\"name\":\"ca\",\"inner\":{\"type\":\"aes\"}}", false, NULL);
        CU_ASSERT_EQUAL(sample.inner.length, 16);
        finish();
        start("{\"name\":\"ca\"}", true, NULL);
        CU_ASSERT_PTR_NULL(sample.inner.type);
        CU_ASSERT_EQUAL(sample.inner.length, 16);
        finish();
        /* Whatever is wrong in it is wrong with it: of its members only those of the table are kept. */
        expect_bad("{\"name\":\"ca\",\"inner\":{}}", "inner");
        expect_bad("{\"name\":\"ca\",\"inner\":{\"type\":\"aes\",\"length\":65}}", "inner");
        expect_bad("{\"name\":\"ca\",\"inner\":{\"type\":\"aes\",\"more\":1}}", "inner");
        expect_bad("{\"name\":\"ca\",\"inner\":{\"type\":1}}", "inner");
        expect_bad("{\"name\":\"ca\",\"inner\":[]}", "inner");
        expect_bad("{\"name\":\"ca\",\"inner\":\"aes\"}", "inner");
}

static void test_all(void)
{
        start("{\"name\":\"ca\",\"digest\":\"AQID\",\"size\":2048,\"loadable\":true,\"usage\":[\"sign\","
              "\"derive\"],"
              "\"key\":{},\"keys\":[1]}",
                true, NULL);
        CU_ASSERT_STRING_EQUAL(sample.name, "ca");
        CU_ASSERT_EQUAL(sample.digest.length, 3);
        CU_ASSERT_STRING_EQUAL((char *)sample.digest.data, "\1\2\3");
        CU_ASSERT_EQUAL(sample.size, 2048);
        CU_ASSERT_TRUE(sample.loadable);
        CU_ASSERT_EQUAL(json_object_array_length(sample.usage), 2);
        CU_ASSERT_PTR_NOT_NULL(sample.key);
        CU_ASSERT_EQUAL(json_object_array_length(sample.keys), 1);
        finish();
}

static void expect_absent(const char *text)
{
        start(text, true, NULL);
        CU_ASSERT_PTR_NULL(sample.digest.data);
        CU_ASSERT_EQUAL(sample.size, 3072);
        CU_ASSERT_FALSE(sample.loadable);
        CU_ASSERT_PTR_NULL(sample.usage);
        CU_ASSERT_PTR_NULL(sample.key);
        CU_ASSERT_PTR_NULL(sample.keys);
        finish();
}

static void test_left_out(void)
{
        expect_absent("{\"name\":\"ca\"}");
        expect_absent("{\"name\":\"ca\",\"digest\":null,\"size\":null,\"loadable\":null,\"usage\":null,"
                      "\"key\":null,"
                      "\"keys\":null}");
        expect_bad("{}", "name");
        expect_bad("{\"name\":null}", "name");
}

static void test_nul(void)
{
        expect_bad("{\"name\":\"c\\u0000a\"}", "name");
        expect_bad("{\"name\":\"ca\",\"usage\":[\"sign\\u0000\"]}", "usage");
        expect_bad("{\"name\":\"ca\",\"digest\":\"AQID\\u0000\"}", "digest");
}

static void test_no_object(void)
{
        struct sample out;
        struct field_fault fault = {0};
        struct json_object *array = json_object_new_array();

        CU_ASSERT_EQUAL(fields_parse(fields, N_FIELDS, NULL, true, &out, &fault), 1);
        CU_ASSERT_STRING_EQUAL(fault.name, "name");
        CU_ASSERT_EQUAL(fields_parse(fields + 1, N_FIELDS - 1, NULL, true, &out, &fault), 0);
        CU_ASSERT_EQUAL(fields_parse(fields, N_FIELDS, array, true, &out, &fault), 1);
        CU_ASSERT_STRING_EQUAL(fault.name, "parameters");
        fields_done(fields, N_FIELDS, &out);
        json_object_put(array);
}

static void test_types(void)
{
        static const char *const wrong[][2] = {{"\"name\":1", "name"}, {"\"name\":[]", "name"},
                {"\"name\":\"ca\",\"digest\":1", "digest"}, {"\"name\":\"ca\",\"digest\":[1,2]", "digest"},
                {"\"name\":\"ca\",\"size\":\"2048\"", "size"}, {"\"name\":\"ca\",\"size\":2048.0", "size"},
                {"\"name\":\"ca\",\"size\":true", "size"}, {"\"name\":\"ca\",\"loadable\":1", "loadable"},
                {"\"name\":\"ca\",\"loadable\":\"true\"", "loadable"},
                {"\"name\":\"ca\",\"usage\":\"sign\"", "usage"}, {"\"name\":\"ca\",\"usage\":[1]", "usage"},
                {"\"name\":\"ca\",\"usage\":[null]", "usage"}, {"\"name\":\"ca\",\"key\":[]", "key"},
                {"\"name\":\"ca\",\"keys\":{}", "keys"}};

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                char text[128];

                snprintf(text, sizeof(text), "{%s}", wrong[i][0]);
                expect_bad(text, wrong[i][1]);
        }
}

static void test_ranges(void)
{
        expect_bad("{\"name\":\"\"}", "name");
        expect_bad("{\"name\":\"123456789\"}", "name");
        expect_bad("{\"name\":\"ca\",\"size\":2047}", "size");
        expect_bad("{\"name\":\"ca\",\"size\":8193}", "size");
        expect_bad("{\"name\":\"ca\",\"size\":-1}", "size");
        expect_bad("{\"name\":\"ca\",\"size\":9223372036854775808}", "size");
        expect_bad("{\"name\":\"ca\",\"size\":99999999999999999999999}", "size");
        expect_bad("{\"name\":\"ca\",\"size\":-99999999999999999999999}", "size");
        expect_bad("{\"name\":\"ca\",\"digest\":\"AQ==\"}", "digest");
        expect_bad("{\"name\":\"ca\",\"digest\":\"AQIDBAU=\"}", "digest");
        expect_bad("{\"name\":\"ca\",\"digest\":\"AQIDBAUGBwgJ\"}", "digest");
        expect_bad("{\"name\":\"ca\",\"digest\":\"AQI\"}", "digest");
        expect_bad("{\"name\":\"ca\",\"usage\":[\"a\",\"b\",\"c\",\"d\"]}", "usage");
        start("{\"name\":\"12345678\",\"size\":8192,\"digest\":\"AQIDBA==\"}", true, NULL);
        finish();
}

static void test_unknown(void)
{
        expect_bad("{\"name\":\"ca\",\"extra\":1}", "extra");
        expect_bad("{\"name\":\"ca\",\"extra\":null}", "extra");
        expect_bad("{\"name\":\"ca\",\"digest\":\"AQID\",\"Name\":1}", "Name");
        start("{\"name\":\"ca\",\"extra\":1}", false, NULL);
        finish();
}

SUITE(proto_fields, {"an object is read into a struct in place", test_struct},
        {"every kind of field is taken", test_all},
        {"a string with U+0000 in it is refused by the field's name", test_nul},
        {"null is the same as leaving it out", test_left_out},
        {"no parameters at all, and parameters that are no object", test_no_object},
        {"a field of the wrong type is named", test_types},
        {"a field out of its range is named", test_ranges},
        {"an unknown field is refused where the table is strict, and let pass where not", test_unknown});
