/* SPDX-License-Identifier: MPL-2.0 */
/* See printable.h. */
#include "daemon/util/printable.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/utf8.h"

size_t printable_run(const char *text, size_t length, const char *stop)
{
        size_t at = 0, n;
        uint32_t point;

        while ((n = utf8_decode(text + at, length - at, &point)) > 0 && !utf8_is_deceptive(point) &&
                (n > 1 || !strchr(stop, (int)point)))
                at += n;
        return at;
}

size_t printable_next(
        const char **text, const char *end, const char **ret, char room[static PRINTABLE_ESCAPE_SIZE])
{
        const char *at = *text;
        size_t n = printable_run(at, (size_t)(end - at), "");
        uint32_t point;

        *ret = n > 0 ? at : room;
        if (n == 0 && at < end) {
                n = MAX_OF(utf8_decode(at, (size_t)(end - at), &point), (size_t)1);
                for (size_t i = 0; i < n; i++) {
                        room[4 * i] = '\\';
                        room[4 * i + 1] = 'x';
                        text_hex(at + i, 1, room + 4 * i + 2);
                }
                *text = at + n;
                return 4 * n;
        }
        *text = at + n;
        return n;
}

size_t printable_copy(char *out, size_t size, const char *text, size_t length)
{
        const char *end = text + length, *piece;
        char room[PRINTABLE_ESCAPE_SIZE];
        size_t at = 0, n;

        while ((n = printable_next(&text, end, &piece, room)) > 0) {
                bool cut = n >= size - at;

                if (cut)
                        n = piece == room ? 0 : utf8_whole(piece, size - at - 1);
                memcpy(out + at, piece, n);
                at += n;
                if (cut)
                        break;
        }
        out[at] = '\0';
        return at;
}

char *printable_new(const char *text)
{
        size_t length = strlen(text);
        char *copy;

        if (length > SIZE_MAX / 4 - 1)
                return NULL;
        copy = malloc(4 * length + 1);
        if (copy)
                (void)printable_copy(copy, 4 * length + 1, text, length);
        return copy;
}
