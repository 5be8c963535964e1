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
};

#define AT(member) offsetof(struct sample, member)
static const struct field fields[] = {
        {"name", FIELD_STRING, true, AT(name), 1, 8, 0},
        {"digest", FIELD_BYTES, false, AT(digest), 2, 4, 0},
        {"size", FIELD_INT, false, AT(size), 2048, 8192, 3072},
        {"loadable", FIELD_BOOL, false, AT(loadable), 0, 0, 0},
        {"usage", FIELD_STRINGS, false, AT(usage), 0, 3, 0},
        {"key", FIELD_OBJECT, false, AT(key), 0, 0, 0},
        {"keys", FIELD_ARRAY, false, AT(keys), 0, 0, 0},
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* Parses and, where bad is given, expects that name to be refused. The object lives until finish(). */
static struct json_object *object;
static struct sample sample;

static void start(const char *text, bool strict, const char *bad)
{
        const char *name = NULL;
        int r;

        object = NULL;
        memset(&sample, 0xee, sizeof(sample)); /* nothing is taken as set */
        CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &object), 0);
        r = fields_parse(fields, N_FIELDS, object, strict, &sample, &name);
        CU_ASSERT_EQUAL(r, bad ? 1 : 0);
        if (bad) {
                CU_ASSERT_PTR_NOT_NULL_FATAL(name);
                CU_ASSERT_STRING_EQUAL(name, bad);
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
        const char *bad = NULL;
        struct json_object *array = json_object_new_array();

        CU_ASSERT_EQUAL(fields_parse(fields, N_FIELDS, NULL, true, &out, &bad), 1);
        CU_ASSERT_STRING_EQUAL(bad, "name");
        CU_ASSERT_EQUAL(fields_parse(fields + 1, N_FIELDS - 1, NULL, true, &out, &bad), 0);
        CU_ASSERT_EQUAL(fields_parse(fields, N_FIELDS, array, true, &out, &bad), 1);
        CU_ASSERT_STRING_EQUAL(bad, "parameters");
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

SUITE(proto_fields, {"every kind of field is taken", test_all},
        {"a string with U+0000 in it is refused by the field's name", test_nul},
        {"null is the same as leaving it out", test_left_out},
        {"no parameters at all, and parameters that are no object", test_no_object},
        {"a field of the wrong type is named", test_types},
        {"a field out of its range is named", test_ranges},
        {"an unknown field is refused where the table is strict, and let pass where not", test_unknown});
