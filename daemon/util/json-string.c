/* SPDX-License-Identifier: MPL-2.0 */
/* See json-string.h. */
#include "daemon/util/json-string.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/printable.h"
#include "daemon/util/text.h"
#include "daemon/util/utf8.h"

/* The four digits at *at. -EBADMSG. */
static int take_hex4(const char **at, const char *end)
{
        int unit = 0;

        if (end - *at < 4)
                return -EBADMSG;
        for (int i = 0; i < 4; i++) {
                int digit = text_hex_digit(*(*at)++);

                if (digit < 0)
                        return -EBADMSG;
                unit = unit << 4 | digit;
        }
        return unit;
}

/* Behind "\u". A high surrogate must be followed by a low one: alone it is not a character. */
static int take_unicode(const char **at, const char *end, uint32_t *ret)
{
        int unit = take_hex4(at, end), low;

        if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff))
                return -EBADMSG;
        *ret = (uint32_t)unit;
        if (unit < 0xd800 || unit > 0xdbff)
                return 0;
        if (end - *at < 2 || memcmp(*at, "\\u", 2) != 0)
                return -EBADMSG;
        *at += 2;
        low = take_hex4(at, end);
        if (low < 0xdc00 || low > 0xdfff)
                return -EBADMSG;
        *ret = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        return 0;
}

/* Behind a backslash; *at is left behind the escape. */
static int take_escape(const char **at, const char *end, uint32_t *ret)
{
        static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
        char c = *at < end ? *(*at)++ : '\0';
        const char *letter = c ? strchr(letters, c) : NULL;

        if (c == 'u')
                return take_unicode(at, end, ret);
        if (!letter)
                return -EBADMSG;
        *ret = (unsigned char)values[letter - letters];
        return 0;
}

int json_string_scan(const char **at, const char *end, bool key)
{
        const char *s = *at;
        uint32_t point;

        if (s == end || *s++ != '"')
                return -EBADMSG;
        for (;;) {
                size_t n = utf8_decode(s, (size_t)(end - s), &point);

                if (n == 0 || point < 0x20) /* the end, not UTF-8, or a raw control character */
                        return -EBADMSG;
                s += n;
                if (point == '"')
                        break;
                if (point == '\\' && take_escape(&s, end, &point) < 0)
                        return -EBADMSG;
                /* A key ends there in json-c; a value knows its length. */
                if (point == 0 && key)
                        return -EINVAL;
        }
        *at = s;
        return 0;
}

size_t json_string_decode(const char *begin, const char *end, char *ret)
{
        size_t length = 0;

        for (begin++, end--; begin < end;) {
                const char *escape = memchr(begin, '\\', (size_t)(end - begin));
                size_t plain = (size_t)((escape ? escape : end) - begin);
                uint32_t point;

                memcpy(ret + length, begin, plain);
                length += plain;
                begin += plain;
                if (!escape)
                        break;
                begin++;
                if (take_escape(&begin, end, &point) == 0)
                        length += utf8_encode(point, ret + length);
        }
        return length;
}

/* Behind U+FFFF it takes the two halves of a surrogate pair. */
static void put_escape(uint32_t point, char room[static JSON_STRING_ESCAPE_SIZE])
{
        uint32_t above = point - 0x10000;
        uint16_t high = (uint16_t)(0xd800 + (above >> 10)), low = (uint16_t)(0xdc00 + (above & 0x3ff));

        if (point < 0x10000)
                (void)snprintf(room, JSON_STRING_ESCAPE_SIZE, "\\u%04x", (uint16_t)point);
        else
                (void)snprintf(room, JSON_STRING_ESCAPE_SIZE, "\\u%04x\\u%04x", high, low);
}

size_t json_string_next(
        const char **text, const char *end, const char **ret, char room[static JSON_STRING_ESCAPE_SIZE])
{
        const char *at = *text;
        size_t n = printable_run(at, (size_t)(end - at), "\"\\");
        uint32_t point = 0xfffd;

        *ret = n > 0 ? at : room;
        *text = at + n;
        if (n > 0 || at == end)
                return n;
        n = utf8_decode(at, (size_t)(end - at), &point);
        if (n > 0 && (point == '"' || point == '\\'))
                (void)snprintf(room, JSON_STRING_ESCAPE_SIZE, "\\%c", (int)point);
        else
                put_escape(point, room);
        *text = at + MAX_OF(n, (size_t)1);
        return strlen(room);
}
