/* SPDX-License-Identifier: MPL-2.0 */
/* See wire.h. */
#include "daemon/channel/wire.h"

#include <string.h>

/* The next n bytes of the buffer. NULL: there are fewer, and the wire is bad from now on. */
static uint8_t *wire_take(struct wire *wire, size_t n)
{
        uint8_t *place;

        if (wire->bad || n > wire->size - wire->at) {
                wire->bad = true;
                return NULL;
        }
        place = wire->data + wire->at;
        wire->at += n;
        return place;
}

static void wire_put_integer(struct wire *wire, uint64_t value, size_t n)
{
        uint8_t *place = wire_take(wire, n);

        for (size_t i = 0; place && i < n; i++)
                place[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t wire_get_integer(struct wire *wire, size_t n)
{
        const uint8_t *place = wire_take(wire, n);
        uint64_t value = 0;

        for (size_t i = 0; place && i < n; i++)
                value |= (uint64_t)place[i] << (8 * i);
        return value;
}

void wire_put_u8(struct wire *wire, uint8_t value)
{
        wire_put_integer(wire, value, 1);
}

void wire_put_u32(struct wire *wire, uint32_t value)
{
        wire_put_integer(wire, value, 4);
}

void wire_put_u64(struct wire *wire, uint64_t value)
{
        wire_put_integer(wire, value, 8);
}

void wire_put_bytes(struct wire *wire, struct wire_bytes value)
{
        uint8_t *place;

        if (value.length > UINT32_MAX) {
                wire->bad = true;
                return;
        }
        wire_put_u32(wire, (uint32_t)value.length);
        place = wire_take(wire, value.length);
        if (place && value.length > 0)
                memcpy(place, value.data, value.length);
}

void wire_put_text(struct wire *wire, const char *value)
{
        value = value ? value : "";
        wire_put_bytes(wire, wire_bytes(value, strlen(value) + 1));
}

uint8_t wire_get_u8(struct wire *wire)
{
        return (uint8_t)wire_get_integer(wire, 1);
}

uint32_t wire_get_u32(struct wire *wire)
{
        return (uint32_t)wire_get_integer(wire, 4);
}

uint64_t wire_get_u64(struct wire *wire)
{
        return wire_get_integer(wire, 8);
}

struct wire_bytes wire_get_bytes(struct wire *wire)
{
        size_t length = wire_get_u32(wire);
        const uint8_t *place = wire_take(wire, length);

        return place ? wire_bytes(place, length) : wire_bytes(NULL, 0);
}

const char *wire_get_text(struct wire *wire)
{
        struct wire_bytes bytes = wire_get_bytes(wire);

        if (bytes.length > 0 && memchr(bytes.data, 0, bytes.length) == bytes.data + bytes.length - 1)
                return (const char *)bytes.data;
        wire->bad = true;
        return "";
}
