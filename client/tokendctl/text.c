/* SPDX-License-Identifier: MPL-2.0 */
/* How things are written and read: durations, escapes, widths, PEM, hex. Pure, but for the FILE it writes to.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <wchar.h>

#include "client/tokendctl/tokendctl.h"
#include "proto/base64.h"

struct unit {
        const char *name;
        int64_t usec;
};

/* As systemd.time(7) has them. */
static const struct unit units[] = {
        {"us", 1},
        {"usec", 1},
        {"ms", 1000},
        {"msec", 1000},
        {"s", 1000000},
        {"sec", 1000000},
        {"second", 1000000},
        {"seconds", 1000000},
        {"", 1000000},
        {"m", 60000000},
        {"min", 60000000},
        {"minute", 60000000},
        {"minutes", 60000000},
        {"h", 3600000000},
        {"hr", 3600000000},
        {"hour", 3600000000},
        {"hours", 3600000000},
};

static int64_t unit_usec(const char *name, size_t length)
{
        for (size_t i = 0; i < N_ELEMENTS(units); i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
                        return units[i].usec;
        return 0;
}

int duration_parse(const char *text, int max)
{
        const int64_t max_usec = (int64_t)max * 1000;
        int64_t total = 0;

        text += strspn(text, " ");
        do {
                int64_t number = 0, usec;
                size_t length;

                if (!isdigit((unsigned char)*text))
                        return -1;
                for (; isdigit((unsigned char)*text); text++) {
                        number = number * 10 + (*text - '0');
                        if (number > max_usec)
                                return -1;
                }
                text += strspn(text, " ");
                length = strspn(text, "abcdefghijklmnopqrstuvwxyz");
                usec = unit_usec(text, length);
                if (usec == 0 || number > max_usec / usec)
                        return -1;
                total += number * usec;
                text += length;
                text += strspn(text, " ");
        } while (*text);
        return total < 1000 || total > max_usec ? -1 : (int)(total / 1000);
}

void duration_format(int64_t usec, char *buffer, size_t size)
{
        int64_t s = usec > 0 ? usec / 1000000 : 0;

        if (s < 60)
                snprintf(buffer, size, "%" PRId64 "s", s);
        else if (s < 3600)
                snprintf(buffer, size, "%" PRId64 "min", s / 60);
        else if (s < 86400)
                snprintf(buffer, size, "%" PRId64 "h %" PRId64 "min", s / 3600, s % 3600 / 60);
        else
                snprintf(buffer, size, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
}

void latency_format(int64_t usec, char *buffer, size_t size)
{
        if (usec <= 0)
                snprintf(buffer, size, "-");
        else if (usec < 1000)
                snprintf(buffer, size, "%" PRId64 "us", usec);
        else if (usec < 1000000)
                snprintf(buffer, size, "%.1fms", (double)usec / 1e3);
        else
                snprintf(buffer, size, "%.1fs", (double)usec / 1e6);
}

/* One character of UTF-8; its length, or 0 where it is none. Not mbrtowc(3): that depends on the locale. */
static size_t decode(const unsigned char *text, uint32_t *ret)
{
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        size_t n = text[0] < 0x80 ? 1 : text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : text[0] >= 0xc0 ? 2 : 0;
        uint32_t c = n < 2 ? text[0] : text[0] & (0x7fU >> n);

        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (text[i] & 0x3f);
        }
        if (n == 0 || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret = c;
        return n;
}

/* Controls, line and paragraph separators, and what changes the direction: a name must look like what it is.
 */
static bool is_harmless(uint32_t c)
{
        return c >= 0x20 && !(c >= 0x7f && c <= 0x9f) && !(c >= 0x200e && c <= 0x200f) &&
               !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0x061c && c != 0xfeff;
}

char *text_escape(const char *text)
{
        const unsigned char *in = (const unsigned char *)text;
        char *escaped = malloc(strlen(text) * 4 + 1), *out = escaped;

        if (!escaped)
                return NULL;
        while (*in) {
                uint32_t c = 0;
                size_t n = decode(in, &c);

                if (n > 0 && is_harmless(c)) {
                        memcpy(out, in, n);
                        out += n;
                } else {
                        n = n > 0 ? n : 1;
                        for (size_t i = 0; i < n; i++)
                                out += sprintf(out, "\\x%02x", in[i]);
                }
                in += n;
        }
        *out = 0;
        return escaped;
}

size_t text_width(const char *text)
{
        const unsigned char *in = (const unsigned char *)text;
        size_t width = 0;

        while (*in) {
                uint32_t c = 0;
                size_t n = decode(in, &c);
                int columns = n > 0 ? wcwidth((wchar_t)c) : 1;

                width += columns > 0 ? (size_t)columns : 0;
                in += n > 0 ? n : 1;
        }
        return width;
}

void json_string(FILE *to, const char *text)
{
        fputc('"', to);
        for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
                if (*c == '"' || *c == '\\')
                        fprintf(to, "\\%c", *c);
                else if (*c < 0x20)
                        fprintf(to, "\\u%04x", *c);
                else
                        fputc(*c, to);
        }
        fputc('"', to);
}

int pem_write(FILE *to, const char *label, const void *der, size_t length)
{
        _cleanup_(freep) char *text = malloc(BASE64_LENGTH(length) + 1);

        if (!text)
                return -1;
        base64_encode(der, length, text);
        fprintf(to, "-----BEGIN %s-----\n", label);
        for (size_t at = 0; text[at]; at += strnlen(text + at, 64))
                fprintf(to, "%.64s\n", text + at);
        fprintf(to, "-----END %s-----\n", label);
        return 0;
}

int hex_parse(const char *text, unsigned char **ret, size_t *ret_length)
{
        size_t n = strlen(text);
        unsigned char *bytes;

        if (n % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != n)
                return -1;
        bytes = malloc(n / 2 + 1);
        if (!bytes)
                return -1;
        for (size_t i = 0; i < n / 2; i++) {
                const char pair[] = {text[2 * i], text[2 * i + 1], 0};

                bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
        }
        *ret = bytes;
        *ret_length = n / 2;
        return 0;
}
