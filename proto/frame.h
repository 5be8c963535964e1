/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cuts a stream of bytes into the messages of varlink, each of which ends with a NUL. The caller reads the bytes into the
 * one buffer of the frame, which grows up to the longest message and no further. One thread at a time may use a frame.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct frame {
        char *data;
        size_t size, begin, end, scanned;
        size_t limit; /* set by frame_init() */
};

/* limit: bytes of the longest message, without its NUL. */
void frame_init(struct frame *frame, size_t limit);
void frame_done(struct frame *frame);

/* The room to read into: *ret_length bytes, at least 1, at *ret. The buffer grows if that is necessary. -EMSGSIZE: the buffer is full,
 * and the message in it has not ended; -ENOMEM. */
int frame_room(struct frame *frame, char **ret, size_t *ret_length);

/* The caller has read n bytes into the room. */
void frame_filled(struct frame *frame, size_t n);

/* 1: *ret is the next whole message with its NUL, and *ret_length its length without it; it is valid until the next frame_room().
 * 0: there is no whole message yet. -EMSGSIZE: the message is longer than the limit. */
int frame_next(struct frame *frame, char **ret, size_t *ret_length);

/* How many bytes of an unfinished message there are. frame_shrink() frees the buffer if there are none. */
size_t frame_pending(const struct frame *frame);
void frame_shrink(struct frame *frame);
