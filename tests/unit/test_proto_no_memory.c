/* SPDX-License-Identifier: MPL-2.0 */
/* proto/ where memory is short: each allocation fails in turn, json-c's too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/fields.h"
#include "proto/frame.h"
#include "proto/json.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

#define TEXT                                                                                                 \
        "{\"method\":\"io.tokend.Keys.Sign\",\"parameters\":{\"key\":\"hsm:a\\u00e9\\ud83d\\ude00\","        \
        "\"digest\":\"AAEC\","                                                                               \
        "\"n\":[1,-2.5,true,null,\"\",{}],\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,"  \
        "\"i\":9,"                                                                                           \
        "\"j\":10,\"k\":11,\"l\":12,\"m\":13,\"o\":\"a text that is longer than what json-c keeps beside "   \
        "the object itself\","                                                                               \
        "\"p\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,"  \
        "34]}}"

static int parse(void *userdata)
{
        const char *text = userdata;
        struct json_object *object = NULL, *expected = NULL;
        int r = json_parse(text, strlen(text), &object);

        if (r) {
                CU_ASSERT_PTR_NULL(object);
                return r;
        }
        /* What was parsed is whole: nothing is missing that no memory was there for. */
        alloc_fail(0, 0);
        CU_ASSERT_EQUAL(json_parse(text, strlen(text), &expected), 0);
        CU_ASSERT(json_object_equal(object, expected));
        json_object_put(expected);
        json_object_put(object);
        return 0;
}

static void test_json(void)
{
        alloc_fail_each(parse, (void *)TEXT, -ENOMEM);
}

static int print(void *userdata)
{
        char *printed = NULL;
        int r = json_print(userdata, &printed);

        if (r == 0) {
                struct json_object *again = NULL;

                alloc_fail(0, 0);
                CU_ASSERT_EQUAL(json_parse(printed, strlen(printed), &again), 0);
                CU_ASSERT(json_object_equal(userdata, again));
                json_object_put(again);
        }
        free(printed);
        return r;
}

/* Long enough that the text is moved while it grows. */
static void test_print(void)
{
        struct json_object *array = json_object_new_array(), *object = json_object_new_object();

        for (int i = 0; i < 1000; i++)
                json_object_array_add(array, json_object_new_string("a \"text\" \xc3\xa4"));
        json_object_object_add(object, "array", array);
        alloc_fail_each(print, object, -ENOMEM);
        json_object_put(object);
}

struct sample {
        struct field_bytes first, second;
        const char *name;
        struct json_object *usage;
};

static int take_fields(void *userdata)
{
        static const struct field fields[] = {
                {.name = "first",
                        .kind = FIELD_BYTES,
                        .required = true,
                        .offset = offsetof(struct sample, first)},
                {.name = "name",
                        .kind = FIELD_STRING,
                        .required = true,
                        .offset = offsetof(struct sample, name)},
                {.name = "second",
                        .kind = FIELD_BYTES,
                        .required = true,
                        .offset = offsetof(struct sample, second)},
                {.name = "usage",
                        .kind = FIELD_STRINGS,
                        .required = true,
                        .offset = offsetof(struct sample, usage),
                        .max = 4},
        };
        struct sample sample;
        struct field_fault fault = {0};
        int r;

        memset(&sample, 0xee, sizeof(sample));
        r = fields_parse(fields, 4, userdata, true, &sample, &fault);
        CU_ASSERT_PTR_NULL(fault.name);
        if (!r) {
                CU_ASSERT_EQUAL(sample.first.length, 3);
                CU_ASSERT_EQUAL(sample.second.length, 1);
                CU_ASSERT_STRING_EQUAL(sample.name, "n");
                CU_ASSERT_EQUAL(json_object_array_length(sample.usage), 1);
        }
        fields_done(fields, 4, &sample);
        return r;
}

static void test_fields(void)
{
        const char *text = "{\"first\":\"AAEC\",\"name\":\"n\",\"second\":\"AA==\",\"usage\":[\"sign\"]}";
        struct json_object *object = NULL;

        CU_ASSERT_EQUAL_FATAL(json_parse(text, strlen(text), &object), 0);
        alloc_fail_each(take_fields, object, -ENOMEM);
        json_object_put(object);
}

/* A message of 5000 bytes and a short one behind it, read in pieces as a socket gives them. */
static int cut_messages(void *userdata)
{
        struct frame frame;
        unsigned n_messages = 0;
        size_t n_sent = 0;
        int r = 0;

        frame_init(&frame, 8192);
        while (n_sent < 5010 && !r) {
                char *room, *message;
                size_t size, length;

                r = frame_room(&frame, &room, &size);
                if (r)
                        break;
                if (size > 5010 - n_sent)
                        size = 5010 - n_sent;
                memset(room, 'x', size);
                if (n_sent <= 5000 && n_sent + size > 5000)
                        room[5000 - n_sent] = '\0';
                if (n_sent + size == 5010)
                        room[size - 1] = '\0';
                n_sent += size;
                frame_filled(&frame, size);
                while ((r = frame_next(&frame, &message, &length)) == 1) {
                        CU_ASSERT_EQUAL(length, n_messages ? 8 : 5000);
                        n_messages++;
                }
        }
        if (!r)
                CU_ASSERT_EQUAL(n_messages, 2);
        frame_shrink(&frame);
        frame_done(&frame);
        return r;
}

static void test_frame(void)
{
        alloc_fail_each(cut_messages, NULL, -ENOMEM);
}

static int decode(void *userdata)
{
        unsigned char *bytes = NULL;
        size_t length;
        int r = base64_decode("AAEC", 4, &bytes, &length);

        if (r)
                CU_ASSERT_PTR_NULL(bytes);
        free(bytes);
        return r;
}

static void test_base64(void)
{
        alloc_fail_each(decode, NULL, -ENOMEM);
}

SUITE(proto_no_memory, {"a JSON text is parsed whole, or there is no memory", test_json},
        {"JSON is printed whole, or there is no memory", test_print},
        {"fields are taken whole, or there is no memory", test_fields},
        {"messages are cut, or there is no memory", test_frame},
        {"base64 is decoded, or there is no memory", test_base64});
