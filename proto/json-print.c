/* SPDX-License-Identifier: MPL-2.0 */
/*
 * json_print() of json.h. json-c's own printer is not used: if there is no memory for a piece of the text, it leaves the piece
 * out and goes on (0.16), and the text may still be JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/json-string.h"
#include "daemon/util/text.h"
#include "proto/json.h"

struct json_text {
        char *data;
        size_t length, size;
};

static int put(struct json_text *text, const char *data, size_t n)
{
        if (text->size - text->length < n) {
                size_t size = MAX_OF(text->size * 2, text->length + n + 256);
                char *larger = realloc(text->data, size);

                if (!larger)
                        return -ENOMEM;
                text->data = larger;
                text->size = size;
        }
        memcpy(text->data + text->length, data, n);
        text->length += n;
        return 0;
}

static int put_text(struct json_text *text, const char *data)
{
        return put(text, data, strlen(data));
}

static int print_value(struct json_text *text, struct json_object *value);

static int print_string(struct json_text *text, const char *string, size_t length)
{
        char room[JSON_STRING_ESCAPE_SIZE];
        const char *piece, *end = string + length;
        int r = put(text, "\"", 1);
        size_t n;

        if (!text_is_utf8(string, length))
                return -EBADMSG;
        while (r == 0 && (n = json_string_next(&string, end, &piece, room)) > 0)
                r = put(text, piece, n);
        return r < 0 ? r : put(text, "\"", 1);
}

static int print_object(struct json_text *text, struct json_object *object)
{
        struct json_object_iterator i = json_object_iter_begin(object), end = json_object_iter_end(object);
        int r = put(text, "{", 1);

        for (bool first = true; r == 0 && !json_object_iter_equal(&i, &end); first = false) {
                const char *key = json_object_iter_peek_name(&i);

                r = first ? 0 : put(text, ",", 1);
                if (r == 0)
                        r = print_string(text, key, strlen(key));
                if (r == 0)
                        r = put(text, ":", 1);
                if (r == 0)
                        r = print_value(text, json_object_iter_peek_value(&i));
                json_object_iter_next(&i);
        }
        return r < 0 ? r : put(text, "}", 1);
}

static int print_array(struct json_text *text, struct json_object *array)
{
        int r = put(text, "[", 1);

        for (size_t i = 0; r == 0 && i < json_object_array_length(array); i++) {
                r = i == 0 ? 0 : put(text, ",", 1);
                if (r == 0)
                        r = print_value(text, json_object_array_get_idx(array, i));
        }
        return r < 0 ? r : put(text, "]", 1);
}

static int print_value(struct json_text *text, struct json_object *value)
{
        char number[24];

        switch (json_object_get_type(value)) {
        case json_type_null:
                return put_text(text, "null");
        case json_type_boolean:
                return put_text(text, json_object_get_boolean(value) ? "true" : "false");
        case json_type_int:
                snprintf(number, sizeof(number), "%" PRId64, json_object_get_int64(value));
                return put_text(text, number);
        case json_type_double:
                return json_object_get_userdata(value) ? put_text(text, json_object_get_userdata(value))
                                                       : -EBADMSG;
        case json_type_string:
                return print_string(
                        text, json_object_get_string(value), (size_t)json_object_get_string_len(value));
        case json_type_array:
                return print_array(text, value);
        case json_type_object:
                return print_object(text, value);
        }
        return -EBADMSG;
}

int json_print(struct json_object *value, char **ret)
{
        struct json_text text = {0};
        int r = print_value(&text, value);

        if (r == 0)
                r = put(&text, "", 1);
        if (r < 0) {
                free(text.data);
                return r;
        }
        *ret = text.data;
        return 0;
}
