/* SPDX-License-Identifier: MPL-2.0 */
/* See output.h. */
#include "daemon/broker/base/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/json-string.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"

void output_done(struct output *output)
{
        if (output->secret)
                wipe_free(output->data, output->size);
        else
                free(output->data);
        *output = (struct output){0};
}

size_t output_pending(const struct output *output)
{
        return output->end - output->begin;
}

void output_sent(struct output *output, size_t n)
{
        output->begin += n;
        if (output->begin == output->end)
                output_done(output);
}

/* Room for n bytes and a NUL at the end; NULL where there is none. */
static char *output_room(struct output *output, size_t n)
{
        size_t size;
        char *data;

        if (output->failed)
                return NULL;
        if (output->size - output->end > n)
                return output->data + output->end;
        if (output->begin > 0) {
                memmove(output->data, output->data + output->begin, output_pending(output));
                output->end -= output->begin;
                output->begin = 0;
        }
        size = MAX_OF(output->size, (size_t)512);
        while (size - output->end <= n)
                size *= 2;
        if (size != output->size) {
                data = output->secret ? wipe_realloc(output->data, output->size, size)
                                      : realloc(output->data, size);
                if (!data) {
                        output->failed = true;
                        return NULL;
                }
                output->data = data;
                output->size = size;
        }
        return output->data + output->end;
}

void output_bytes(struct output *output, const void *bytes, size_t n)
{
        char *room = output_room(output, n);

        if (!room || n == 0)
                return;
        memcpy(room, bytes, n);
        output->end += n;
}

void output_text(struct output *output, const char *text)
{
        output_bytes(output, text, strlen(text));
}

void output_format(struct output *output, const char *format, ...)
{
        va_list args;
        char *room;
        int n;

        va_start(args, format);
        n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        if (n < 0) {
                output->failed = true;
                return;
        }
        room = output_room(output, (size_t)n);
        if (!room)
                return;
        va_start(args, format);
        vsnprintf(room, (size_t)n + 1, format, args);
        va_end(args);
        output->end += (size_t)n;
}

void output_string(struct output *output, const char *text)
{
        const char *end = text ? text + strlen(text) : NULL, *piece;
        char room[JSON_STRING_ESCAPE_SIZE];
        size_t n;

        if (!text) {
                output_text(output, "null");
                return;
        }
        output_text(output, "\"");
        while ((n = json_string_next(&text, end, &piece, room)) > 0)
                output_bytes(output, piece, n);
        output_text(output, "\"");
}

void output_member(struct output *output, const char *name)
{
        bool first = output->end > output->begin && output->data[output->end - 1] == '{';

        output_text(output, first ? "\"" : ",\"");
        output_text(output, name);
        output_text(output, "\":");
}

void output_pair(struct output *output, const char *name, const char *value)
{
        output_member(output, name);
        output_string(output, value);
}

void output_int(struct output *output, int64_t value)
{
        output_format(output, "%lld", (long long)value);
}

void output_bool(struct output *output, bool value)
{
        output_text(output, value ? "true" : "false");
}

void output_base64(struct output *output, const void *bytes, size_t n)
{
        char *room;

        output_text(output, "\"");
        room = output_room(output, BASE64_LENGTH(n));
        if (room) {
                base64_encode(bytes, n, room);
                output->end += BASE64_LENGTH(n);
        }
        output_text(output, "\"");
}
