/* SPDX-License-Identifier: MPL-2.0 */
/* See buffer.h. */
#include "daemon/util/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The least that is allocated, in bytes. */
#define SIZE_MIN 256U

void buffer_done(struct buffer *buffer)
{
        if (!buffer)
                return;
        free(buffer->data);
        *buffer = (struct buffer){0};
}

/* Makes room for n bytes and a NUL. NULL: no memory, now or before. */
static char *make_room(struct buffer *buffer, size_t n)
{
        size_t size = MAX_OF(buffer->size, (size_t)SIZE_MIN);
        char *larger;

        if (buffer->failed)
                return NULL;
        while (size - buffer->length <= n)
                size *= 2;
        if (size != buffer->size) {
                larger = realloc(buffer->data, size);
                if (!larger) {
                        buffer->failed = true;
                        return NULL;
                }
                buffer->data = larger;
                buffer->size = size;
        }
        return buffer->data + buffer->length;
}

void buffer_put(struct buffer *buffer, const void *bytes, size_t n)
{
        char *room = make_room(buffer, n);

        if (!room || n == 0)
                return;
        memcpy(room, bytes, n);
        buffer->length += n;
}

void buffer_put_text(struct buffer *buffer, const char *text)
{
        buffer_put(buffer, text, strlen(text));
}

void buffer_put_format(struct buffer *buffer, const char *format, ...)
{
        va_list args;
        char *room;
        int n;

        va_start(args, format);
        n = vsnprintf(NULL, 0, format, args);
        va_end(args);
        room = n < 0 ? NULL : make_room(buffer, (size_t)n);
        if (!room) {
                buffer->failed = true;
                return;
        }
        va_start(args, format);
        vsnprintf(room, (size_t)n + 1, format, args);
        va_end(args);
        buffer->length += (size_t)n;
}

char *buffer_take(struct buffer *buffer)
{
        char *end = make_room(buffer, 0), *data = NULL;

        if (end) {
                *end = '\0';
                data = buffer->data;
                *buffer = (struct buffer){0};
        } else {
                buffer_done(buffer);
        }
        return data;
}
