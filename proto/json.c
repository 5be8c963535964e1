/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See json.h. The parser reads each byte once, goes no deeper than LIMIT_JSON_DEPTH, and builds the tree with json-c's
 * constructors. json-c's own parser is not used: it accepts more than JSON, keeps one of two equal keys, and crashes if there
 * is no memory for a key (0.16).
 */
#include "proto/json.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/json-string.h"
#include "daemon/util/wipe.h"
#include "proto/limits.h"

struct scanner {
        const char *at, *end;
        size_t n_containers, max_containers; /* objects and arrays */
        size_t n_values;                     /* these and all others */
        char *decoded; /* the last string, with a NUL; its size is that of the longest string so far */
        size_t decoded_size, decoded_length;
};

static int peek(const struct scanner *s)
{
        return s->at < s->end ? (unsigned char)*s->at : -1;
}

static bool skip(struct scanner *s, char c)
{
        if (peek(s) != (unsigned char)c)
                return false;
        s->at++;
        return true;
}

static void skip_space(struct scanner *s)
{
        while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
                s->at++;
}

static bool is_digit(int c)
{
        return c >= '0' && c <= '9';
}

static int skip_digits(struct scanner *s)
{
        if (!is_digit(peek(s)))
                return -EBADMSG;
        while (is_digit(peek(s)))
                s->at++;
        return 0;
}

/* Makes room for length bytes and a NUL in s->decoded. -ENOMEM. */
static int reserve(struct scanner *s, size_t length)
{
        char *larger;

        if (length < s->decoded_size)
                return 0;
        larger = wipe_realloc(s->decoded, s->decoded_size, length + 1);
        if (!larger)
                return -ENOMEM;
        s->decoded = larger;
        s->decoded_size = length + 1;
        return 0;
}

static int scan_number(struct scanner *s, struct json_object **ret)
{
        const char *begin = s->at;
        bool integer = true;
        int r = 0;

        skip(s, '-');
        if (!skip(s, '0'))
                r = skip_digits(s);
        if (r == 0 && skip(s, '.')) {
                integer = false;
                r = skip_digits(s);
        }
        if (r == 0 && (peek(s) == 'e' || peek(s) == 'E')) {
                integer = false;
                s->at++;
                if (!skip(s, '+'))
                        skip(s, '-');
                r = skip_digits(s);
        }
        if (r == 0)
                r = reserve(s, (size_t)(s->at - begin));
        if (r < 0)
                return r;
        memcpy(s->decoded, begin, (size_t)(s->at - begin));
        s->decoded[s->at - begin] = '\0';
        /* A number beyond 64 bits becomes the nearest one within. The value of a number that is not an integer is never read;
         * its text is kept for json_print(). */
        *ret = integer ? json_object_new_int64(strtoll(s->decoded, NULL, 10))
                       : json_object_new_double_s(0, s->decoded);
        return *ret ? 0 : -ENOMEM;
}

/* Decodes the string at s->at into s->decoded, with a NUL behind it. */
static int take_string(struct scanner *s, bool key)
{
        const char *begin = s->at;
        int r = json_string_scan(&s->at, s->end, key);

        if (r == 0)
                r = reserve(s, (size_t)(s->at - begin));
        if (r < 0)
                return r;
        s->decoded_length = json_string_decode(begin, s->at, s->decoded);
        s->decoded[s->decoded_length] = '\0';
        return 0;
}

static int scan_word(struct scanner *s, const char *word)
{
        size_t n = strlen(word);

        if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
                return -EBADMSG;
        s->at += n;
        return 0;
}

static int scan_value(struct scanner *s, unsigned depth, struct json_object **ret);

/* With 0, the object owns the value. */
static int add_member(struct json_object *object, const char *key, struct json_object *value)
{
        struct lh_table *table = json_object_get_object(object);

        /* json-c would leak its copy of the key if there is no memory for a larger table. */
        if (table->count >= table->size * LH_LOAD_FACTOR && lh_table_resize(table, table->size * 2) < 0)
                return -ENOMEM;
        return json_object_object_add_ex(object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) < 0 ? -ENOMEM : 0;
}

static int scan_member(struct scanner *s, unsigned depth, struct json_object *object)
{
        struct json_object *value = NULL;
        char *key;
        int r;

        skip_space(s);
        r = take_string(s, true);
        if (r < 0)
                return r;
        if (json_object_object_get_ex(object, s->decoded, NULL))
                return -EINVAL;
        skip_space(s);
        if (!skip(s, ':'))
                return -EBADMSG;
        /* The value may have strings, which need another buffer. */
        key = s->decoded;
        s->decoded = NULL;
        s->decoded_size = 0;
        r = scan_value(s, depth, &value);
        if (r == 0)
                r = add_member(object, key, value);
        if (r < 0)
                json_object_put(value);
        free(key);
        return r;
}

static int scan_element(struct scanner *s, unsigned depth, struct json_object *array)
{
        struct json_object *value = NULL;
        int r = scan_value(s, depth, &value);

        if (r == 0 && json_object_array_add(array, value) < 0)
                r = -ENOMEM;
        if (r < 0)
                json_object_put(value);
        return r;
}

static int scan_members(struct scanner *s, char close, unsigned depth, struct json_object *container)
{
        s->at++;
        skip_space(s);
        if (skip(s, close))
                return 0;
        do {
                int r = close == '}' ? scan_member(s, depth + 1, container)
                                     : scan_element(s, depth + 1, container);
                if (r < 0)
                        return r;
                skip_space(s);
        } while (skip(s, ','));
        return skip(s, close) ? 0 : -EBADMSG;
}

/* Reads an object or an array at this depth; its opening bracket is next. LIMIT_JSON_DEPTH bounds the recursion. */
static int scan_container(struct scanner *s, char close, unsigned depth, struct json_object **ret)
{
        struct json_object *container;
        int r;

        if (depth > LIMIT_JSON_DEPTH)
                return -ELOOP;
        if (++s->n_containers > s->max_containers)
                return -E2BIG;
        container = close == '}' ? json_object_new_object() : json_object_new_array();
        if (!container)
                return -ENOMEM;
        r = scan_members(s, close, depth, container);
        if (r < 0) {
                json_object_put(container);
                return r;
        }
        /* A new array has room for 32 values. If there is no memory to shrink it, it keeps the room. */
        if (close == ']')
                json_object_array_shrink(container, 0);
        *ret = container;
        return 0;
}

static int scan_boolean(struct scanner *s, bool value, struct json_object **ret)
{
        int r = scan_word(s, value ? "true" : "false");

        if (r < 0)
                return r;
        *ret = json_object_new_boolean(value);
        return *ret ? 0 : -ENOMEM;
}

static int scan_text(struct scanner *s, struct json_object **ret)
{
        int r = take_string(s, false);

        if (r < 0)
                return r;
        *ret = json_object_new_string_len(s->decoded, (int)s->decoded_length);
        return *ret ? 0 : -ENOMEM;
}

/* depth: that of the value if it is an object or an array. null is NULL in json-c. */
static int scan_value(struct scanner *s, unsigned depth, struct json_object **ret)
{
        if (++s->n_values > JSON_VALUES_A_CONTAINER * s->max_containers)
                return -E2BIG;
        skip_space(s);
        switch (peek(s)) {
        case '{':
                return scan_container(s, '}', depth, ret);
        case '[':
                return scan_container(s, ']', depth, ret);
        case '"':
                return scan_text(s, ret);
        case 't':
                return scan_boolean(s, true, ret);
        case 'f':
                return scan_boolean(s, false, ret);
        case 'n':
                return scan_word(s, "null");
        default:
                return scan_number(s, ret);
        }
}

int json_parse_bounded(const char *text, size_t length, size_t max_containers, struct json_object **ret)
{
        struct scanner s = {.at = text, .end = text + length, .max_containers = max_containers};
        struct json_object *object = NULL;
        int r;

        if (length > INT_MAX)
                return -EBADMSG;
        skip_space(&s);
        if (peek(&s) != '{')
                return -EBADMSG;
        r = scan_container(&s, '}', 1, &object);
        wipe_free(s.decoded, s.decoded_size);
        if (r < 0)
                return r;
        skip_space(&s);
        if (s.at != s.end) {
                json_object_put(object);
                return -EBADMSG;
        }
        *ret = object;
        return 0;
}

int json_parse(const char *text, size_t length, struct json_object **ret)
{
        int r = json_parse_bounded(text, length, LIMIT_JSON_CONTAINERS, ret);

        return r == -E2BIG ? -EBADMSG : r;
}

void json_wipe(struct json_object *value)
{
        switch (json_object_get_type(value)) {
        case json_type_string:
                explicit_bzero((char *)(uintptr_t)json_object_get_string(value),
                        (size_t)json_object_get_string_len(value));
                break;
        case json_type_array:
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        json_wipe(json_object_array_get_idx(value, i));
                break;
        case json_type_object: {
                struct json_object_iterator i = json_object_iter_begin(value),
                                            end = json_object_iter_end(value);

                for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
                        json_wipe(json_object_iter_peek_value(&i));
                break;
        }
        default:
                break;
        }
}
