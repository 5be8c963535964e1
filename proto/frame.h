/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cuts a stream of bytes into the NUL-ended messages of varlink. Owns one buffer that grows to LIMIT_MESSAGE + 1
 * and no further: the length is bounded before memory is. Reads no descriptor; the caller does.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct frame {
        char *data;
        size_t size, begin, end, scanned;
        size_t limit; /* set by frame_init() */
};

/* limit: the longest message in bytes, its NUL not counted (LIMIT_MESSAGE for requests; a client reads more). */
void frame_init(struct frame *frame, size_t limit);
void frame_done(struct frame *frame);

/* Room to read into: *ret_length bytes (at least 1) at *ret. Grows as needed. -ENOMEM; -EMSGSIZE: the buffer is
 * full of a message that has not ended: it is too long. */
int frame_room(struct frame *frame, char **ret, size_t *ret_length);

/* n bytes were read into the room. */
void frame_filled(struct frame *frame, size_t n);

/* The next whole message: 1 and the message, NUL-terminated, valid until the next frame_room(); 0: not yet;
 * -EMSGSIZE: longer than the limit. */
int frame_next(struct frame *frame, char **ret, size_t *ret_length);

/* Bytes of an unfinished message. An empty frame holds no memory after frame_shrink(). */
size_t frame_pending(const struct frame *frame);
void frame_shrink(struct frame *frame);
