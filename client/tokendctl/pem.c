/* SPDX-License-Identifier: MPL-2.0 */
/* Bytes as text, and back: PEM (RFC 7468) and hexadecimal digits. */
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/buffer.h"
#include "daemon/util/text.h"
#include "proto/base64.h"

/* The first line of that label at or behind text, whatever stands before it; its end in *ret. NULL. */
static const char *find_boundary(const char *text, const char *word, const char *label, const char **ret)
{
        char line[128];
        size_t length = (size_t)snprintf(line, sizeof(line), "-----%s %s-----", word, label);
        const char *at = text;

        while ((at = strstr(at, line))) {
                if (at == text || at[-1] == '\n') {
                        *ret = at + length;
                        return at;
                }
                at += length;
        }
        return NULL;
}

/* The base64 between two places, without the white space in it. */
static int decode_body(const char *from, const char *to, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) char *text = malloc((size_t)(to - from) + 1);
        size_t n = 0;

        if (!text)
                return -ENOMEM;
        for (; from < to; from++)
                if (!strchr(" \t\r\n", *from))
                        text[n++] = *from;
        return n > 0 ? base64_decode(text, n, ret, ret_length) : -EINVAL;
}

int pem_read(
        const char *label, const unsigned char *file, size_t length, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) char *text = malloc(length + 1);
        const char *begin, *end, *ignored;
        unsigned char *der;

        if (!text)
                return -ENOMEM;
        memcpy(text, file, length);
        text[length] = 0;
        if (find_boundary(text, "BEGIN", label, &begin)) {
                end = find_boundary(begin, "END", label, &ignored);
                if (end && find_boundary(ignored, "BEGIN", label, &ignored))
                        return -E2BIG;
                return end ? decode_body(begin, end, ret, ret_length) : -EINVAL;
        }
        /* DER begins with a SEQUENCE. Which one it is the daemon says. */
        if (length < 2 || file[0] != 0x30)
                return -EINVAL;
        der = malloc(length);
        if (!der)
                return -ENOMEM;
        *ret = memcpy(der, file, length);
        *ret_length = length;
        return 0;
}

char *pem_text(const char *label, const void *der, size_t length)
{
        _cleanup_(freep) char *base64 = malloc(BASE64_LENGTH(length) + 1);
        struct buffer text = {0};

        if (!base64)
                return NULL;
        base64_encode(der, length, base64);
        buffer_put_format(&text, "-----BEGIN %s-----\n", label);
        for (size_t at = 0; base64[at]; at += strnlen(base64 + at, 64))
                buffer_put_format(&text, "%.64s\n", base64 + at);
        buffer_put_format(&text, "-----END %s-----\n", label);
        return buffer_take(&text);
}

int hex_parse(const char *text, unsigned char **ret, size_t *ret_length)
{
        size_t n = strlen(text);
        unsigned char *bytes = malloc(n / 2 + 1);

        if (!bytes)
                return -ENOMEM;
        if (n % 2 != 0 || !text_unhex(text, n / 2, bytes)) {
                free(bytes);
                return -EINVAL;
        }
        *ret = bytes;
        *ret_length = n / 2;
        return 0;
}
