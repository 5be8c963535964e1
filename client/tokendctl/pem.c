/* SPDX-License-Identifier: MPL-2.0 */
/* A file that holds something in PEM (RFC 7468) or in DER, to DER. Pure. */
#include <string.h>

#include "client/tokendctl/tokendctl.h"
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
                return -1;
        for (; from < to; from++)
                if (!strchr(" \t\r\n", *from))
                        text[n++] = *from;
        return n > 0 && base64_decode(text, n, ret, ret_length) == 0 ? 0 : -1;
}

int pem_read(
        const char *label, const unsigned char *file, size_t length, unsigned char **ret, size_t *ret_length)
{
        _cleanup_(freep) char *text = malloc(length + 1);
        const char *begin, *end, *ignored;
        unsigned char *der;

        if (!text)
                return -1;
        memcpy(text, file, length);
        text[length] = 0;
        if (find_boundary(text, "BEGIN", label, &begin)) {
                end = find_boundary(begin, "END", label, &ignored);
                if (end && find_boundary(ignored, "BEGIN", label, &ignored))
                        return -2;
                return end ? decode_body(begin, end, ret, ret_length) : -1;
        }
        /* DER begins with a SEQUENCE. Which one it is the daemon says. */
        if (length < 2 || file[0] != 0x30)
                return -1;
        der = malloc(length);
        if (!der)
                return -1;
        *ret = memcpy(der, file, length);
        *ret_length = length;
        return 0;
}
