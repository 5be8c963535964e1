/* SPDX-License-Identifier: MPL-2.0 */
/* See text.h. */
#include "daemon/util/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/utf8.h"
#include "proto/limits.h"

/* A configuration file has one or two times as much. */
#define READ_STEP 16384U

/* RFC 1035, 2.3.4: bytes of a label, and of a name as text. */
#define DNS_LABEL_MAX 63U
#define DNS_NAME_MAX  253U

bool text_is_utf8(const char *text, size_t length)
{
        uint32_t point;

        for (size_t at = 0, n; at < length; at += n) {
                n = utf8_decode(text + at, length - at, &point);
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
                n = utf8_decode(text + at, length - at, &point);
                if (n == 0 || utf8_is_control(point))
                        return false;
        }
        return true;
}

bool text_is_nickname(const char *text, size_t length)
{
        return text_is_listable(text, length) && !memchr(text, ':', length);
}

size_t text_without_nuls(const char *text, size_t length)
{
        while (length > 0 && text[length - 1] == '\0')
                length--;
        return length;
}

size_t text_label(char *out, const char *label, size_t length)
{
        length = text_without_nuls(label, length);
        if (!text_is_listable(label, length))
                length = 0;
        memmove(out, label, length);
        out[length] = '\0';
        return length;
}

void text_field(char *out, const void *field, size_t length)
{
        const char *bytes = field;
        bool utf8;

        while (length > 0 && (bytes[length - 1] == ' ' || bytes[length - 1] == '\0'))
                length--;
        utf8 = text_is_utf8(bytes, length);
        memmove(out, bytes, length);
        out[length] = '\0';
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)out[i];

                if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
                        out[i] = '?';
        }
}

static bool is_dns_label(const char *label, size_t length)
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

                if (!is_dns_label(label, length))
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

int text_digits(const char **at, uint64_t *ret)
{
        const char *from = *at;
        uint64_t number = 0;

        for (; **at >= '0' && **at <= '9'; (*at)++) {
                if (__builtin_mul_overflow(number, 10U, &number) ||
                        __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
                        return -ERANGE;
        }
        if (*at == from)
                return 1;
        *ret = number;
        return 0;
}

int text_hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool text_unhex(const char *text, size_t n, void *ret)
{
        unsigned char *to = ret;

        for (size_t i = 0; i < n; i++) {
                int high = text_hex_digit(text[2 * i]), low = high < 0 ? -1 : text_hex_digit(text[2 * i + 1]);

                if (low < 0)
                        return false;
                to[i] = (unsigned char)(high << 4 | low);
        }
        return true;
}

/* vasprintf(3) of glibc 2.36 writes behind its buffer if there is no memory for the last byte. */
char *text_format_args(const char *format, va_list args)
{
        char *text;
        va_list again;
        int n;

        va_copy(again, args);
        n = vsnprintf(NULL, 0, format, args);
        text = n < 0 ? NULL : malloc((size_t)n + 1);
        if (text)
                vsnprintf(text, (size_t)n + 1, format, again);
        va_end(again);
        return text;
}

char *text_format(const char *format, ...)
{
        char *text;
        va_list args;

        va_start(args, format);
        text = text_format_args(format, args);
        va_end(args);
        return text;
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
