/* SPDX-License-Identifier: MPL-2.0 */
/* Text that grows: replies in JSON, and the metrics. A failure for want of memory sticks and is asked for
 * once. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

struct output {
        char *data;
        size_t begin, end, size; /* what is unsent lies between begin and end */
        bool failed;
        bool secret; /* it has something that is to be wiped, until it is sent */
};

void output_done(struct output *output);
size_t output_pending(const struct output *output);
/* n bytes were sent. Memory goes when all were. */
void output_sent(struct output *output, size_t n);

void output_bytes(struct output *output, const void *bytes, size_t n);
void output_text(struct output *output, const char *text);
void output_format(struct output *output, const char *format, ...) _printf_(2, 3);

/* The name of a member of a JSON object, and the comma before it where others stand already. */
void output_member(struct output *output, const char *name);
void output_int(struct output *output, int64_t value);
void output_bool(struct output *output, bool value);
/* A JSON string, quoted and escaped. NULL is null. */
void output_string(struct output *output, const char *text);
/* A member whose value is a string. */
void output_pair(struct output *output, const char *name, const char *value);
/* A JSON string of base64. */
void output_base64(struct output *output, const void *bytes, size_t n);

/* What a function writes: a whole JSON value, or the elements of an array with the commas between them. put may be NULL:
 * nothing. */
struct output_part {
        void (*put)(struct output *output, void *userdata);
        void *userdata;
};

static inline void output_part_put(struct output *output, const struct output_part *part)
{
        if (part->put)
                part->put(output, part->userdata);
}
