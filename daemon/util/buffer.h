/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Text that grows. If there is no memory for a piece of it, the buffer takes no further pieces, and buffer_take() says so: no text
 * comes out of it with a piece missing. open_memstream(3) reports no error then.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Begins as {0}. */
struct buffer {
        char *data;
        size_t length, size;
        bool failed;
};

/* NULL is fine. */
void buffer_done(struct buffer *buffer);

/* Adds bytes, a string, or a formatted string. */
void buffer_put(struct buffer *buffer, const void *bytes, size_t n);
void buffer_put_text(struct buffer *buffer, const char *text);
void buffer_put_format(struct buffer *buffer, const char *format, ...) _printf_(2, 3);

/* The text with a NUL behind it, which the caller frees; the buffer is empty then. NULL: there was no memory for all of it. */
char *buffer_take(struct buffer *buffer);
