/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cuts the text of one file into lines, and each line into a section's head or a key and its value. It knows
 * no section and no key; it never stops at a fault.
 */
#include <string.h>

#include "daemon/config/parser.h"
#include "daemon/config/value.h"
#include "daemon/util/text.h"

/* Takes white space away at both ends, in place. */
static char *trim(char *text)
{
        size_t length;

        while (value_is_space(*text))
                text++;
        length = strlen(text);
        while (length > 0 && value_is_space(text[length - 1]))
                length--;
        text[length] = '\0';
        return text;
}

static void read_head(struct parser *parser, struct place place, char *line)
{
        size_t length = strlen(line);
        char *kind, *name;

        if (line[length - 1] != ']') {
                parser_fault(parser, place, "a section begins with [NAME], and this bracket does not close");
                /* What follows belongs to something that cannot be known. */
                parser_section(parser, place, NULL, NULL);
                return;
        }
        line[length - 1] = '\0';
        kind = trim(line + 1);
        name = kind + strcspn(kind, " \t\v\f\r");
        if (*name)
                *name++ = '\0';
        name = trim(name);
        parser_section(parser, place, kind, *name ? name : NULL);
}

static void read_line(struct parser *parser, struct place place, char *line)
{
        char *equals;

        line = trim(line);
        if (*line == '\0' || *line == '#' || *line == ';')
                return;
        if (*line == '[') {
                read_head(parser, place, line);
                return;
        }
        equals = strchr(line, '=');
        /* What stands there may be a PIN: it is not repeated. */
        if (!equals || equals == line) {
                parser_fault(parser, place, "neither a comment, nor a [Section], nor Key=Value");
                return;
        }
        *equals = '\0';
        parser_assign(parser, place, trim(line), trim(equals + 1));
}

void reader_run(struct parser *parser, const char *file, const char *text, size_t length)
{
        struct place place = {.file = file};

        /* Editors of another system put a byte order mark first. */
        if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
                text += 3;
                length -= 3;
        }
        for (size_t at = 0; at < length && !parser->error;) {
                const char *end = memchr(text + at, '\n', length - at);
                size_t n = end ? (size_t)(end - text) - at : length - at;
                _cleanup_(freep) char *line = strndup(text + at, n);

                place.line++;
                if (!line) {
                        parser->error = -ENOMEM;
                        return;
                }
                if (memchr(text + at, 0, n))
                        parser_fault(parser, place, "a NUL byte in the line");
                else if (!text_is_utf8(line, n))
                        parser_fault(parser, place, "the line is not UTF-8");
                else
                        read_line(parser, place, line);
                at += n + 1;
        }
}
