/* SPDX-License-Identifier: MPL-2.0 */
/* See frame.h. [begin, end) of the buffer was read and not handed out yet; [begin, scanned) has no NUL. */
#include "proto/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/util/wipe.h"

/* Most requests fit, so a connection needs one allocation. */
#define FIRST_SIZE 4096U

void frame_init(struct frame *frame, size_t limit)
{
        *frame = (struct frame){.limit = limit};
}

void frame_done(struct frame *frame)
{
        wipe_free(frame->data, frame->size);
        frame_init(frame, frame->limit);
}

/* Moves the rest to the front. A message is moved once at most, because it begins at 0 afterwards. */
static void frame_compact(struct frame *frame)
{
        size_t pending = frame->end - frame->begin;

        if (pending > 0)
                memmove(frame->data, frame->data + frame->begin, pending);
        frame->scanned -= frame->begin;
        frame->begin = 0;
        frame->end = pending;
}

static int frame_grow(struct frame *frame)
{
        size_t size = frame->size > 0 ? frame->size * 2 : FIRST_SIZE;
        char *data;

        if (size > frame->limit + 1)
                size = frame->limit + 1;
        if (size <= frame->size)
                return -EMSGSIZE;
        data = wipe_realloc(frame->data, frame->size, size);
        if (!data)
                return -ENOMEM;
        frame->data = data;
        frame->size = size;
        return 0;
}

int frame_room(struct frame *frame, char **ret, size_t *ret_length)
{
        if (frame->begin > 0 && (frame->begin == frame->end || frame->size - frame->end < frame->size / 2))
                frame_compact(frame);
        if (frame->end == frame->size) {
                int r = frame_grow(frame);
                if (r < 0)
                        return r;
        }
        *ret = frame->data + frame->end;
        *ret_length = frame->size - frame->end;
        return 0;
}

void frame_filled(struct frame *frame, size_t n)
{
        frame->end += n;
}

int frame_next(struct frame *frame, char **ret, size_t *ret_length)
{
        char *message, *nul;

        if (frame->begin == frame->end)
                return 0;
        message = frame->data + frame->begin;
        /* Looks only at what came since the last call, so that a message that comes in small pieces costs no more than its length. */
        nul = memchr(frame->data + frame->scanned, 0, frame->end - frame->scanned);
        if (!nul) {
                frame->scanned = frame->end;
                return frame->end - frame->begin > frame->limit ? -EMSGSIZE : 0;
        }
        if ((size_t)(nul - message) > frame->limit)
                return -EMSGSIZE;
        frame->begin = frame->scanned = (size_t)(nul - frame->data) + 1;
        *ret = message;
        *ret_length = (size_t)(nul - message);
        return 1;
}

size_t frame_pending(const struct frame *frame)
{
        return frame->end - frame->begin;
}

void frame_shrink(struct frame *frame)
{
        if (frame->begin == frame->end)
                frame_done(frame);
}
