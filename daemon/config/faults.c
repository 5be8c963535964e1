/* SPDX-License-Identifier: MPL-2.0 */
/* What every file of this layer does while it reads: reports a fault, makes room for one more element. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config/parser.h"
#include "daemon/util/text.h"

void parser_fault(struct parser *parser, struct place place, const char *format, ...)
{
        _cleanup_(freep) char *text = NULL, *line = NULL;
        va_list args;

        parser->n_faults++;
        va_start(args, format);
        text = text_format_args(format, args);
        va_end(args);
        if (text)
                line = text_format("%s:%u: %s", place.file, place.line, text);
        if (!line)
                parser->error = -ENOMEM;
        else if (parser->report)
                parser->report(parser->userdata, line);
}

const char *parser_shown(const char *text, char buffer[static SHOWN_BYTES])
{
        size_t n = 0;

        for (; n < SHOWN_BYTES - 1 && text[n]; n++)
                buffer[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? '?' : text[n];
        /* A character is shown whole, or not at all. */
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                n--;
        buffer[n] = '\0';
        return buffer;
}

void *parser_grow(struct parser *parser, void *array, size_t n, size_t element_size)
{
        char *grown = reallocarray(array, n + 1, element_size);

        if (!grown) {
                parser->error = -ENOMEM;
                return NULL;
        }
        memset(grown + n * element_size, 0, element_size);
        return grown;
}
