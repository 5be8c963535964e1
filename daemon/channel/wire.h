/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Integers, byte strings and text in one flat buffer, little-endian: what a message between our own processes
 * is made of. A struct wire is for putting or for getting; either one remembers the first failure (no room,
 * cut short, not text) and is checked once, at the end. The other side may have been taken over: get trusts
 * nothing, and what it returns points into the buffer.
 */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

struct wire {
        uint8_t *data;
        size_t size; /* room when putting, length of the message when getting */
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
/* NULL is put as the empty string. */
void wire_put_text(struct wire *wire, const char *value);

uint8_t wire_get_u8(struct wire *wire);
uint32_t wire_get_u32(struct wire *wire);
uint64_t wire_get_u64(struct wire *wire);
struct wire_bytes wire_get_bytes(struct wire *wire);
/* NUL-terminated, in the buffer; "" after a failure. A NUL inside is a failure. */
const char *wire_get_text(struct wire *wire);

static inline struct wire_bytes wire_bytes(const void *data, size_t length)
{
        return (struct wire_bytes){data, length};
}
