/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A scanner for the grammar of RFC 8259, in front of json-c, which builds the tree. The scanner allocates
 * nothing, reads each byte once and goes no deeper than LIMIT_JSON_DEPTH; json-c sees only what it let
 * through. Two equal keys are found by counting: json-c keeps one, so the tree has fewer members than the
 * text.
 */
#include "proto/json.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "proto/limits.h"

struct scanner {
        const char *at, *end;
        size_t n_members;    /* of all objects together */
        size_t n_containers; /* objects and arrays */
        bool in_key;
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

static int scan_number(struct scanner *s)
{
        int r = 0;

        skip(s, '-');
        if (!skip(s, '0'))
                r = skip_digits(s);
        if (r == 0 && skip(s, '.'))
                r = skip_digits(s);
        if (r == 0 && (peek(s) == 'e' || peek(s) == 'E')) {
                s->at++;
                if (!skip(s, '+'))
                        skip(s, '-');
                r = skip_digits(s);
        }
        return r;
}

/* The four digits behind \u; -EBADMSG. */
static int scan_hex4(struct scanner *s)
{
        int value = 0;

        for (int i = 0; i < 4; i++) {
                int c = peek(s);

                if (is_digit(c))
                        value = value << 4 | (c - '0');
                else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f' && c > 0)
                        value = value << 4 | ((c | 0x20) - 'a' + 10);
                else
                        return -EBADMSG;
                s->at++;
        }
        return value;
}

/* Behind "\u". A high surrogate must be followed by a low one: alone it is no character. */
static int scan_unicode_escape(struct scanner *s)
{
        int unit = scan_hex4(s);

        if (unit < 0)
                return unit;
        /* json-c's keys are C strings; a value knows its length, and who takes it compares. */
        if (unit == 0)
                return s->in_key ? -EINVAL : 0;
        if (unit >= 0xd800 && unit <= 0xdbff) {
                if (!skip(s, '\\') || !skip(s, 'u'))
                        return -EBADMSG;
                unit = scan_hex4(s);
                return unit >= 0xdc00 && unit <= 0xdfff ? 0 : -EBADMSG;
        }
        return unit >= 0xdc00 && unit <= 0xdfff ? -EBADMSG : 0;
}

static int scan_escape(struct scanner *s)
{
        int c = peek(s);

        if (c <= 0 || !strchr("\"\\/bfnrtu", c))
                return -EBADMSG;
        s->at++;
        return c == 'u' ? scan_unicode_escape(s) : 0;
}

/* One character of more than one byte: RFC 3629, table 3-7 of Unicode. json-c's own check lets overlong forms
 * and surrogates through. */
static int scan_utf8(struct scanner *s)
{
        int lead = peek(s), low = 0x80, high = 0xbf, more;

        if (lead >= 0xc2 && lead <= 0xdf)
                more = 1;
        else if (lead >= 0xe0 && lead <= 0xef)
                more = 2;
        else if (lead >= 0xf0 && lead <= 0xf4)
                more = 3;
        else
                return -EBADMSG;
        if (lead == 0xe0)
                low = 0xa0;
        else if (lead == 0xed)
                high = 0x9f;
        else if (lead == 0xf0)
                low = 0x90;
        else if (lead == 0xf4)
                high = 0x8f;
        for (s->at++; more > 0; more--, s->at++, low = 0x80, high = 0xbf)
                if (peek(s) < low || peek(s) > high)
                        return -EBADMSG;
        return 0;
}

static int scan_string(struct scanner *s)
{
        if (!skip(s, '"'))
                return -EBADMSG;
        for (;;) {
                int c = peek(s), r = 0;

                if (c < 0x20) /* a raw control character, or the end */
                        return -EBADMSG;
                if (c >= 0x80) {
                        r = scan_utf8(s);
                } else {
                        s->at++;
                        if (c == '"')
                                return 0;
                        if (c == '\\')
                                r = scan_escape(s);
                }
                if (r < 0)
                        return r;
        }
}

static int scan_word(struct scanner *s, const char *word)
{
        size_t n = strlen(word);

        if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
                return -EBADMSG;
        s->at += n;
        return 0;
}

static int scan_value(struct scanner *s, unsigned depth);

static int scan_member(struct scanner *s, unsigned depth)
{
        int r;

        skip_space(s);
        s->in_key = true;
        r = scan_string(s);
        s->in_key = false;
        if (r < 0)
                return r;
        skip_space(s);
        if (!skip(s, ':'))
                return -EBADMSG;
        s->n_members++;
        return scan_value(s, depth);
}

/* An object or an array, which is the depth-th level; its opening bracket is next. The recursion is bounded
 * by LIMIT_JSON_DEPTH. */
static int scan_container(struct scanner *s, char close, unsigned depth)
{
        if (depth > LIMIT_JSON_DEPTH)
                return -ELOOP;
        if (++s->n_containers > LIMIT_JSON_CONTAINERS)
                return -EBADMSG;
        s->at++;
        skip_space(s);
        if (skip(s, close))
                return 0;
        do {
                int r = close == '}' ? scan_member(s, depth + 1) : scan_value(s, depth + 1);
                if (r < 0)
                        return r;
                skip_space(s);
        } while (skip(s, ','));
        return skip(s, close) ? 0 : -EBADMSG;
}

/* A value that would be the depth-th level if it is a container. */
static int scan_value(struct scanner *s, unsigned depth)
{
        skip_space(s);
        switch (peek(s)) {
        case '{':
                return scan_container(s, '}', depth);
        case '[':
                return scan_container(s, ']', depth);
        case '"':
                return scan_string(s);
        case 't':
                return scan_word(s, "true");
        case 'f':
                return scan_word(s, "false");
        case 'n':
                return scan_word(s, "null");
        default:
                return scan_number(s);
        }
}

static size_t count_members(struct json_object *value)
{
        size_t n = 0;

        if (json_object_is_type(value, json_type_object)) {
                struct json_object_iterator i = json_object_iter_begin(value),
                                            end = json_object_iter_end(value);

                for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i))
                        n += 1 + count_members(json_object_iter_peek_value(&i));
        } else if (json_object_is_type(value, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        n += count_members(json_object_array_get_idx(value, i));
        }
        return n;
}

static int build_tree(const char *text, size_t length, struct json_object **ret)
{
        /* json-c counts one level more than there are. */
        struct json_tokener *tokener = json_tokener_new_ex(LIMIT_JSON_DEPTH + 1);
        struct json_object *object;

        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        object = json_tokener_parse_ex(tokener, text, (int)length);
        json_tokener_free(tokener);
        /* json-c 0.16 has no error of its own for short memory; either way there is no request to answer. */
        if (!object)
                return -EBADMSG;
        *ret = object;
        return 0;
}

int json_parse(const char *text, size_t length, struct json_object **ret)
{
        struct scanner s = {.at = text, .end = text + length};
        struct json_object *object;
        int r;

        if (length > INT_MAX)
                return -EBADMSG;
        skip_space(&s);
        if (peek(&s) != '{')
                return -EBADMSG;
        r = scan_container(&s, '}', 1);
        if (r < 0)
                return r;
        skip_space(&s);
        if (s.at != s.end)
                return -EBADMSG;

        r = build_tree(text, length, &object);
        if (r < 0)
                return r;
        if (count_members(object) != s.n_members) {
                json_object_put(object);
                return -EINVAL;
        }
        *ret = object;
        return 0;
}
