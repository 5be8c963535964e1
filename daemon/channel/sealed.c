/* SPDX-License-Identifier: MPL-2.0 */
/* See sealed.h. */
#include "daemon/channel/sealed.h"

#include "daemon/util/text.h"

bool sealed_parse(struct wire_bytes bytes, struct sealed *ret)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)bytes.data};
        struct sealed sealed;

        if (bytes.length <= SEALED_MAC || bytes.length > LIMIT_SEALED)
                return false;
        wire.size = bytes.length - SEALED_MAC;
        if (wire_get_u8(&wire) != SEALED_VERSION)
                return false;
        sealed = (struct sealed){.token = wire_get_text(&wire)};
        sealed.instance = wire_get_text(&wire);
        sealed.seal = wire_get_bytes(&wire);
        sealed.mac = wire_get_bytes(&wire);
        sealed.type = wire_get_u8(&wire);
        sealed.usage = wire_get_u32(&wire);
        sealed.size = wire_get_u32(&wire);
        sealed.public = wire_get_bytes(&wire);
        sealed.wrapped = wire_get_bytes(&wire);
        if (wire.bad || wire.at != wire.size || sealed.seal.length != SEALED_ID ||
                sealed.mac.length != SEALED_ID || sealed.wrapped.length == 0)
                return false;
        sealed.authentic = wire_bytes(bytes.data, wire.size);
        sealed.authentication = bytes.data + wire.size;
        *ret = sealed;
        return true;
}

void sealed_put(struct wire *wire, const struct sealed *sealed)
{
        wire_put_u8(wire, SEALED_VERSION);
        wire_put_text(wire, sealed->token);
        wire_put_text(wire, sealed->instance);
        wire_put_bytes(wire, sealed->seal);
        wire_put_bytes(wire, sealed->mac);
        wire_put_u8(wire, sealed->type);
        wire_put_u32(wire, sealed->usage);
        wire_put_u32(wire, sealed->size);
        wire_put_bytes(wire, sealed->public);
        wire_put_bytes(wire, sealed->wrapped);
}

void sealed_fingerprint(struct wire_bytes bytes, char ret[static 2 * SEALED_FINGERPRINT + 1])
{
        ret[0] = '\0';
        if (bytes.length > SEALED_MAC)
                text_hex(bytes.data + bytes.length - SEALED_MAC, SEALED_FINGERPRINT, ret);
}
