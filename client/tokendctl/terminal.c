/* SPDX-License-Identifier: MPL-2.0 */
/* How things are written for people: durations, latencies, names on a terminal; and strings in JSON. */
#include <inttypes.h>
#include <string.h>
#include <wchar.h>

#include "client/tokendctl/tokendctl.h"
#include "daemon/util/json-string.h"
#include "daemon/util/text.h"
#include "daemon/util/utf8.h"

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

void wrapped_print(const char *text, size_t indent)
{
        size_t column = 0;

        while (*text) {
                size_t length = strcspn(text, " \n");

                if (column > 0 && column + 1 + length > LINE_COLUMNS) {
                        printf("\n");
                        column = 0;
                }
                if (column == 0) {
                        printf("%*s", (int)indent, "");
                        column = indent;
                } else {
                        printf(" ");
                        column++;
                }
                printf("%.*s", (int)length, text);
                column += length;
                text += length;
                if (*text == '\n')
                        column = LINE_COLUMNS;
                text += strspn(text, " \n");
        }
        printf("\n");
}

size_t terminal_width(const char *text)
{
        const char *end = text + strlen(text);
        size_t width = 0;

        while (text < end) {
                uint32_t point;
                size_t n = utf8_decode(text, (size_t)(end - text), &point);
                int columns = n > 0 ? wcwidth((wchar_t)point) : 1;

                width += columns > 0 ? (size_t)columns : 0;
                text += MAX_OF(n, (size_t)1);
        }
        return width;
}

void json_string_print(FILE *to, const char *text)
{
        const char *end = text + strlen(text), *piece;
        char room[JSON_STRING_ESCAPE_SIZE];
        size_t n;

        fputc('"', to);
        while ((n = json_string_next(&text, end, &piece, room)) > 0)
                fwrite(piece, 1, n, to);
        fputc('"', to);
}
