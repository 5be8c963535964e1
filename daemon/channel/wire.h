/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The parts of a message between our own processes: integers (little-endian), byte strings and text in one flat buffer. A
 * struct wire either puts or gets. It remembers a failure (no room, the message is cut, not text) in bad, which is checked
 * once, at the end. The other process may have been taken over, so the get functions trust nothing. What they return points
 * into the buffer.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

struct wire {
        uint8_t *data;
        size_t size; /* to put: the room; to get: the length of the message */
        size_t at;
        bool bad;
};

struct wire_bytes {
        const uint8_t *data;
        size_t length;
};

void wire_put_u8(struct wire *wire, uint8_t value);
void wire_put_u32(struct wire *wire, uint32_t value);
void wire_put_u64(struct wire *wire, uint64_t value);
void wire_put_bytes(struct wire *wire, struct wire_bytes value);
/* NULL becomes the empty string. */
void wire_put_text(struct wire *wire, const char *value);

uint8_t wire_get_u8(struct wire *wire);
uint32_t wire_get_u32(struct wire *wire);
uint64_t wire_get_u64(struct wire *wire);
struct wire_bytes wire_get_bytes(struct wire *wire);
/* Returns "" after a failure. A NUL inside the text is a failure. */
const char *wire_get_text(struct wire *wire);

static inline struct wire_bytes wire_bytes(const void *data, size_t length)
{
        return (struct wire_bytes){data, length};
}
