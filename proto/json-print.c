/* SPDX-License-Identifier: MPL-2.0 */
/*
 * json_print() of json.h. json-c's own printer is not used: if there is no memory for a piece of the text, it leaves the piece
 * out and goes on (0.16), and the text may still be JSON.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/util/buffer.h"
#include "daemon/util/json-string.h"
#include "daemon/util/text.h"
#include "proto/json.h"

/* -EBADMSG. Short memory stays in the buffer. */
static int print_value(struct buffer *text, struct json_object *value);

static int print_string(struct buffer *text, const char *string, size_t length)
{
        char room[JSON_STRING_ESCAPE_SIZE];
        const char *piece, *end = string + length;
        size_t n;

        if (!text_is_utf8(string, length))
                return -EBADMSG;
        buffer_put(text, "\"", 1);
        while ((n = json_string_next(&string, end, &piece, room)) > 0)
                buffer_put(text, piece, n);
        buffer_put(text, "\"", 1);
        return 0;
}

static int print_object(struct buffer *text, struct json_object *object)
{
        struct json_object_iterator i = json_object_iter_begin(object), end = json_object_iter_end(object);
        int r = 0;

        buffer_put(text, "{", 1);
        for (bool first = true; r == 0 && !json_object_iter_equal(&i, &end); first = false) {
                const char *key = json_object_iter_peek_name(&i);

                buffer_put_text(text, first ? "" : ",");
                r = print_string(text, key, strlen(key));
                buffer_put(text, ":", 1);
                if (r == 0)
                        r = print_value(text, json_object_iter_peek_value(&i));
                json_object_iter_next(&i);
        }
        buffer_put(text, "}", 1);
        return r;
}

static int print_array(struct buffer *text, struct json_object *array)
{
        int r = 0;

        buffer_put(text, "[", 1);
        for (size_t i = 0; r == 0 && i < json_object_array_length(array); i++) {
                buffer_put_text(text, i == 0 ? "" : ",");
                r = print_value(text, json_object_array_get_idx(array, i));
        }
        buffer_put(text, "]", 1);
        return r;
}

static int print_value(struct buffer *text, struct json_object *value)
{
        switch (json_object_get_type(value)) {
        case json_type_null:
                buffer_put_text(text, "null");
                return 0;
        case json_type_boolean:
                buffer_put_text(text, json_object_get_boolean(value) ? "true" : "false");
                return 0;
        case json_type_int:
                buffer_put_format(text, "%" PRId64, json_object_get_int64(value));
                return 0;
        case json_type_double:
                if (!json_object_get_userdata(value))
                        return -EBADMSG;
                buffer_put_text(text, json_object_get_userdata(value));
                return 0;
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
        _cleanup_(buffer_done) struct buffer buffer = {0};
        int r = print_value(&buffer, value);
        char *text;

        if (r < 0)
                return r;
        text = buffer_take(&buffer);
        if (!text)
                return -ENOMEM;
        *ret = text;
        return 0;
}
