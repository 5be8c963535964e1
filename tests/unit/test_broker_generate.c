/* SPDX-License-Identifier: MPL-2.0 */
/* What proto/generate makes of an interface file, io.example.Sample.varlink: parameters are read, and replies are written.
 * That it names what is wrong in such a file is in tests/integration/test_generate.py. */
#include <string.h>

#include "gen/sample/parameters.h"
#include "gen/sample/replies.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

#define N_FIELDS ARRAY_SIZE(sample_everything_fields)

/* NULL where the parameters were taken, else the name of the one that is wrong. */
static const char *parse(
        const char *text, struct sample_everything_parameters *ret, struct json_object **ret_object)
{
        struct field_fault fault = {0};
        int r;

        *ret_object = NULL;
        if (text) {
                char *copy = strdup(text);

                CU_ASSERT_EQUAL_FATAL(json_parse(copy, strlen(copy), ret_object), 0);
                free(copy);
        }
        r = fields_parse(sample_everything_fields, N_FIELDS, *ret_object, true, ret, &fault);
        CU_ASSERT_EQUAL(r, fault.name ? 1 : 0);
        return fault.name;
}

static void test_parameters(void)
{
        struct sample_everything_parameters p;
        struct json_object *object;

        CU_ASSERT_PTR_NULL(
                parse("{\"brief\":\"abc\",\"rawBytes\":\"AAEC\",\"count\":10,\"exact\":7,\"flag\":true,"
                      "\"words\":[\"x\",\"y\"],\"colour\":\"red\"}",
                        &p, &object));
        CU_ASSERT_STRING_EQUAL(p.brief, "abc");
        CU_ASSERT_EQUAL(p.raw_bytes.length, 3);
        CU_ASSERT_EQUAL(p.count, 10);
        CU_ASSERT_EQUAL(p.exact, 7);
        CU_ASSERT_TRUE(p.flag);
        CU_ASSERT_EQUAL(json_object_array_length(p.words), 2);
        CU_ASSERT_STRING_EQUAL(p.colour, "red");
        fields_done(sample_everything_fields, N_FIELDS, &p);
        json_object_put(object);
}

static void test_left_out(void)
{
        struct sample_everything_parameters p;
        struct json_object *object;

        CU_ASSERT_PTR_NULL(parse("{\"exact\":7,\"colour\":\"red\"}", &p, &object));
        CU_ASSERT_PTR_NULL(p.brief);
        CU_ASSERT_PTR_NULL(p.raw_bytes.data);
        CU_ASSERT_EQUAL(p.count, 5);
        CU_ASSERT_FALSE(p.flag);
        CU_ASSERT_PTR_NULL(p.words);
        json_object_put(object);
}

static void test_limits(void)
{
        /* Each with what makes it wrong, beside parameters that are right. */
        static const char *const rows[][2] = {
                {"brief", "\"brief\":\"abcd\""},
                {"brief", "\"brief\":1"},
                {"rawBytes", "\"rawBytes\":\"AA==\""},
                {"rawBytes", "\"rawBytes\":\"AAAAAAA=\""},
                {"rawBytes", "\"rawBytes\":\"????\""},
                {"count", "\"count\":0"},
                {"count", "\"count\":11"},
                {"flag", "\"flag\":\"true\""},
                {"words", "\"words\":\"x\""},
                {"words", "\"words\":[1]"},
                {"more", "\"more\":1"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                struct sample_everything_parameters p;
                struct json_object *object;
                char text[256];
                const char *bad;

                snprintf(text, sizeof(text), "{\"exact\":7,\"colour\":\"red\",%s}", rows[i][1]);
                bad = parse(text, &p, &object);
                CU_ASSERT_PTR_NOT_NULL_FATAL(bad);
                CU_ASSERT_STRING_EQUAL(bad, rows[i][0]);
                fields_done(sample_everything_fields, N_FIELDS, &p);
                json_object_put(object);
        }
}

/* The default bound of a string, and a parameter that is missing. */
static void test_default_limit(void)
{
        char text[LIMIT_WORD + 64], word[LIMIT_WORD + 2];
        struct sample_everything_parameters p;
        struct json_object *object;

        memset(word, 'x', sizeof(word) - 1);
        word[LIMIT_WORD + 1] = '\0';
        snprintf(text, sizeof(text), "{\"exact\":7,\"colour\":\"%s\"}", word);
        CU_ASSERT_STRING_EQUAL(parse(text, &p, &object), "colour");
        json_object_put(object);
        snprintf(text, sizeof(text), "{\"exact\":7,\"colour\":\"%s\"}", word + 1);
        CU_ASSERT_PTR_NULL(parse(text, &p, &object));
        json_object_put(object);
        CU_ASSERT_STRING_EQUAL(parse("{\"exact\":8,\"colour\":\"red\"}", &p, &object), "exact");
        json_object_put(object);
        CU_ASSERT_STRING_EQUAL(parse("{\"exact\":7}", &p, &object), "colour");
        json_object_put(object);
        CU_ASSERT_STRING_EQUAL(parse(NULL, &p, &object), "exact");
}

static void put_words(struct output *output, void *userdata)
{
        output_text(output, userdata);
}

static void check_written(struct output *output, const char *expected)
{
        output_bytes(output, "", 1);
        CU_ASSERT_FALSE_FATAL(output->failed);
        CU_ASSERT_STRING_EQUAL(output->data, expected);
        output_done(output);
}

static void test_replies(void)
{
        struct output output = {0};
        int64_t number = -3;
        bool flag = false;

        /* Only what is not nullable; then all of it. */
        sample_everything_reply_put(&output, &(struct sample_everything_reply){0});
        check_written(&output, "{\"words\":[]}");
        sample_everything_reply_put(&output, &(struct sample_everything_reply){
                                                     .text = "a\"b",
                                                     .number = &number,
                                                     .flag = &flag,
                                                     .outer = {put_words, "{}"},
                                                     .words = {put_words, "\"x\",\"y\""},
                                             });
        check_written(&output,
                "{\"text\":\"a\\\"b\",\"number\":-3,\"flag\":false,\"outer\":{},\"words\":[\"x\",\"y\"]}");
}

static void test_types(void)
{
        const struct sample_inner inner = {wire_bytes("\0\1\2", 3), "red", INT64_MAX};
        struct output output = {0};

        sample_outer_put(&output, &(struct sample_outer){.name = "", .inner = inner});
        check_written(&output, "{\"name\":\"\",\"inner\":{\"raw\":\"AAEC\",\"colour\":\"red\",\"sinceUSec\":"
                               "9223372036854775807},"
                               "\"list\":[]}");
        sample_outer_put(
                &output, &(struct sample_outer){
                                 .name = "n", .inner = inner, .perhaps = &inner, .list = {put_words, "{}"}});
        CU_ASSERT_PTR_NOT_NULL(strstr(output.data, ",\"perhaps\":{\"raw\":\"AAEC\","));
        output_done(&output);
}

SUITE(broker_generate, {"parameters of every kind are taken", test_parameters},
        {"what is left out is what the interface says", test_left_out},
        {"a parameter outside its limits is named", test_limits},
        {"a string has a limit though none is said, and what is missing is named", test_default_limit},
        {"a reply has its members in their order, and without those that are NULL", test_replies},
        {"a type is written in another one", test_types});
