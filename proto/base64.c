/* SPDX-License-Identifier: MPL-2.0 */
/* See base64.h. Each sequence of bytes has exactly one text, so that two different texts never mean the same digest. */
#include "proto/base64.h"

#include <errno.h>
#include <stdlib.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t n, char *ret)
{
        const unsigned char *in = bytes;

        for (; n >= 3; n -= 3, in += 3) {
                *ret++ = alphabet[in[0] >> 2];
                *ret++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
                *ret++ = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
                *ret++ = alphabet[in[2] & 63];
        }
        if (n > 0) {
                unsigned second = n > 1 ? in[1] : 0;

                *ret++ = alphabet[in[0] >> 2];
                *ret++ = alphabet[(in[0] & 3U) << 4 | second >> 4];
                *ret++ = n > 1 ? alphabet[(second & 15) << 2] : '=';
                *ret++ = '=';
        }
        *ret = 0;
}

/* -1: the character is not in the alphabet. */
static int value_of(char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters into 3 - padding bytes; -EINVAL. */
static int decode_group(const char *text, unsigned padding, unsigned char *out)
{
        unsigned bits = 0;

        for (unsigned i = 0; i < 4; i++) {
                int value = i >= 4 - padding ? 0 : value_of(text[i]);
                if (value < 0)
                        return -EINVAL;
                bits = bits << 6 | (unsigned)value;
        }
        /* The bits after the end must be zero, or several texts would mean the same bytes. */
        if ((padding == 1 && (bits & 0xff)) || (padding == 2 && (bits & 0xffff)))
                return -EINVAL;
        for (unsigned i = 0; i < 3 - padding; i++)
                out[i] = (unsigned char)(bits >> (16 - 8 * i));
        return 0;
}

int base64_decode(const char *text, size_t length, unsigned char **ret, size_t *ret_length)
{
        unsigned char *bytes;
        size_t n = length / 4 * 3;
        unsigned padding = 0;

        if (length % 4 != 0)
                return -EINVAL;
        if (length > 0 && text[length - 1] == '=')
                padding = text[length - 2] == '=' ? 2 : 1;
        bytes = malloc(n + 1);
        if (!bytes)
                return -ENOMEM;
        for (size_t i = 0; i < length; i += 4) {
                int r = decode_group(text + i, i + 4 == length ? padding : 0, bytes + i / 4 * 3);
                if (r < 0) {
                        free(bytes);
                        return r;
                }
        }
        bytes[n - padding] = 0;
        *ret = bytes;
        *ret_length = n - padding;
        return 0;
}
