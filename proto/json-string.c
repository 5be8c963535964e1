/* SPDX-License-Identifier: MPL-2.0 */
/* See json-string.h. */
#include "proto/json-string.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

struct json_string {
        const char *at, *end;
        bool key;
};

static int peek(const struct json_string *s)
{
        return s->at < s->end ? (unsigned char)*s->at : -1;
}

static bool skip(struct json_string *s, char c)
{
        if (peek(s) != (unsigned char)c)
                return false;
        s->at++;
        return true;
}

/* The four digits behind \u; -EBADMSG. */
static int scan_hex4(struct json_string *s)
{
        int value = 0;

        for (int i = 0; i < 4; i++) {
                int c = peek(s);

                if (c >= '0' && c <= '9')
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
static int scan_unicode_escape(struct json_string *s)
{
        int unit = scan_hex4(s);

        if (unit < 0)
                return unit;
        /* A key ends there in json-c; a value knows its length. */
        if (unit == 0)
                return s->key ? -EINVAL : 0;
        if (unit >= 0xd800 && unit <= 0xdbff) {
                if (!skip(s, '\\') || !skip(s, 'u'))
                        return -EBADMSG;
                unit = scan_hex4(s);
                return unit >= 0xdc00 && unit <= 0xdfff ? 0 : -EBADMSG;
        }
        return unit >= 0xdc00 && unit <= 0xdfff ? -EBADMSG : 0;
}

static int scan_escape(struct json_string *s)
{
        int c = peek(s);

        if (c <= 0 || !strchr("\"\\/bfnrtu", c))
                return -EBADMSG;
        s->at++;
        return c == 'u' ? scan_unicode_escape(s) : 0;
}

/* One character of more than one byte: RFC 3629, table 3-7 of Unicode. */
static int scan_utf8(struct json_string *s)
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

static int scan_character(struct json_string *s)
{
        int c = peek(s);

        if (c < 0x20) /* a raw control character, or the end */
                return -EBADMSG;
        if (c >= 0x80)
                return scan_utf8(s);
        s->at++;
        return c == '\\' ? scan_escape(s) : 0;
}

int json_string_scan(const char **at, const char *end, bool key)
{
        struct json_string s = {*at, end, key};

        if (!skip(&s, '"'))
                return -EBADMSG;
        while (!skip(&s, '"')) {
                int r = scan_character(&s);

                if (r < 0)
                        return r;
        }
        *at = s.at;
        return 0;
}

static size_t put_utf8(uint32_t point, char *to)
{
        size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
        static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

        for (size_t i = n - 1; i > 0; i--, point >>= 6)
                to[i] = (char)(0x80 | (point & 0x3f));
        to[0] = (char)(leads[n] | point);
        return n;
}

/* The character of the escape at *at, which scan_escape() let through; *at is left behind it. Returns its bytes at to. */
static size_t decode_escape(const char **at, const char *end, char *to)
{
        static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
        struct json_string digits = {.at = *at + 2, .end = end};
        const char *letter = strchr(letters, (*at)[1]);
        uint32_t point;

        if ((*at)[1] != 'u') {
                *to = letter ? values[letter - letters] : (*at)[1];
                *at += 2;
                return 1;
        }
        point = (uint32_t)scan_hex4(&digits);
        if (point >= 0xd800 && point <= 0xdbff) {
                digits.at += 2;
                point = 0x10000 + ((point - 0xd800) << 10) + ((uint32_t)scan_hex4(&digits) - 0xdc00);
        }
        *at = digits.at;
        return put_utf8(point, to);
}

size_t json_string_decode(const char *begin, const char *end, char *ret)
{
        size_t length = 0;

        for (begin++, end--; begin < end;) {
                const char *escape = memchr(begin, '\\', (size_t)(end - begin));
                size_t plain = (size_t)((escape ? escape : end) - begin);

                memcpy(ret + length, begin, plain);
                length += plain;
                begin += plain;
                if (escape)
                        length += decode_escape(&begin, end, ret + length);
        }
        return length;
}
