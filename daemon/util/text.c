/* SPDX-License-Identifier: MPL-2.0 */
/* See text.h. */
#include "daemon/util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"

/* A configuration fits in one or two of these. */
#define READ_STEP 16384U

/* RFC 1035, 2.3.4: bytes of a label, and of a name as text. */
#define DNS_LABEL_MAX 63U
#define DNS_NAME_MAX  253U

/* The length of the well-formed character at text, and its code point; 0 where there is none (RFC 3629, table
 * in section 4). */
static size_t utf8_character(const unsigned char *text, size_t length, uint32_t *ret)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t point;
        size_t n;

        if (text[0] < 0x80) {
                *ret = text[0];
                return 1;
        }
        n = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
        if (text[0] < 0xc0 || text[0] > 0xf7 || n > length)
                return 0;
        point = text[0] & (0x7fU >> n);
        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                point = point << 6 | (text[i] & 0x3fU);
        }
        if (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
                return 0;
        *ret = point;
        return n;
}

static bool is_control(uint32_t point)
{
        return point < 0x20 || (point >= 0x7f && point <= 0x9f);
}

bool text_is_utf8(const char *text, size_t length)
{
        uint32_t point;

        for (size_t at = 0, n; at < length; at += n) {
                n = utf8_character((const unsigned char *)text + at, length - at, &point);
                if (n == 0)
                        return false;
        }
        return true;
}

bool text_is_listable(const char *text, size_t length)
{
        uint32_t point;

        if (length == 0 || length > LIMIT_NICKNAME)
                return false;
        for (size_t at = 0, n; at < length; at += n) {
                n = utf8_character((const unsigned char *)text + at, length - at, &point);
                if (n == 0 || is_control(point))
                        return false;
        }
        return true;
}

bool text_is_nickname(const char *text, size_t length)
{
        return text_is_listable(text, length) && !memchr(text, ':', length);
}

static bool is_label(const char *label, size_t length)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";

        return length >= 1 && length <= DNS_LABEL_MAX && strspn(label, letters) >= length &&
               label[0] != '-' && label[length - 1] != '-';
}

bool text_is_dns_name(const char *text)
{
        const char *label = text;

        if (strlen(text) > DNS_NAME_MAX)
                return false;
        if (strncmp(label, "*.", 2) == 0)
                label += 2;
        for (;;) {
                size_t length = strcspn(label, ".");

                if (!is_label(label, length))
                        return false;
                if (!label[length])
                        return strspn(label, "0123456789") < length;
                label += length + 1;
        }
}

void text_hex(const void *bytes, size_t n, char *ret)
{
        const unsigned char *from = bytes;

        for (size_t i = 0; i < n; i++) {
                *ret++ = "0123456789abcdef"[from[i] >> 4];
                *ret++ = "0123456789abcdef"[from[i] & 15];
        }
        *ret = '\0';
}

char *text_format(const char *format, ...)
{
        char *text;
        va_list args;
        int r;

        va_start(args, format);
        r = vasprintf(&text, format, args);
        va_end(args);
        return r < 0 ? NULL : text;
}

int text_read(int fd, size_t max, char **ret, size_t *ret_length)
{
        _cleanup_(freep) char *text = NULL;
        bool seekable = true;
        size_t length = 0, size = 0;

        for (;;) {
                size_t wanted;
                ssize_t n;

                if (length == size) {
                        char *grown = realloc(text, size + READ_STEP);
                        if (!grown)
                                return -ENOMEM;
                        text = grown;
                        size += READ_STEP;
                }
                wanted = MIN_OF(size - length, max + 1 - length);
                n = seekable ? pread(fd, text + length, wanted, (off_t)length)
                             : read(fd, text + length, wanted);
                if (n < 0 && errno == ESPIPE)
                        seekable = false;
                else if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                length += n > 0 ? (size_t)n : 0;
        }
        *ret = TAKE_PTR(text);
        *ret_length = length;
        return 0;
}
