/* SPDX-License-Identifier: MPL-2.0 */
/* Bytes as text, and back: PEM (RFC 7468) and hexadecimal digits. */
#include <string.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/buffer.h"
#include "daemon/util/text.h"
#include "proto/base64.h"

/* Whether only blanks stand before at in its line. A byte order mark may begin the text. */
static bool begins_line(const char *text, const char *at)
{
        while (at > text && (at[-1] == ' ' || at[-1] == '\t'))
                at--;
        return at == text || at[-1] == '\n' || at[-1] == '\r' ||
               (at == text + 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0);
}

/* The first boundary of that label, or of its old name with X509 before it (RFC 7468, 5.1), at or behind from; its end
 * in *ret. NULL: there is none. */
static const char *find_boundary(
        const char *text, const char *from, const char *word, const char *label, const char **ret)
{
        char head[64], tail[64];
        const char *at = from;

        snprintf(head, sizeof(head), "-----%s ", word);
        snprintf(tail, sizeof(tail), "%s-----", label);
        for (; (at = strstr(at, head)); at++) {
                const char *name = at + strlen(head);

                if (strncmp(name, "X509 ", strlen("X509 ")) == 0)
                        name += strlen("X509 ");
                if (strncmp(name, tail, strlen(tail)) == 0 && begins_line(text, at)) {
                        *ret = name + strlen(tail);
                        return at;
                }
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
        if (find_boundary(text, text, "BEGIN", label, &begin)) {
                end = find_boundary(text, begin, "END", label, &ignored);
                if (end && find_boundary(text, ignored, "BEGIN", label, &ignored))
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
