/* SPDX-License-Identifier: MPL-2.0 */
/* A sealed key that a client gives back, or bytes that it calls so. */
#include <string.h>

#include "daemon/channel/sealed.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct wire_bytes bytes = wire_bytes(data, size);
        char fingerprint[2 * SEALED_FINGERPRINT + 1];
        uint8_t out[LIMIT_SEALED];
        struct wire wire = {.data = out, .size = sizeof(out)};
        struct sealed sealed;

        sealed_fingerprint(bytes, fingerprint);
        CHECK(strlen(fingerprint) == (size > SEALED_MAC ? 2 * SEALED_FINGERPRINT : 0));
        if (!sealed_parse(bytes, &sealed))
                return 0;
        CHECK(size <= LIMIT_SEALED && sealed.authentic.length + SEALED_MAC == size);
        CHECK(sealed.authentic.data == data && sealed.authentication == data + sealed.authentic.length);
        CHECK(sealed.seal.length == SEALED_ID && sealed.mac.length == SEALED_ID && sealed.wrapped.length > 0);
        CHECK(strlen(sealed.token) < size && strlen(sealed.instance) < size);
        /* There is one way to write a sealed key: nothing in it is ignored, so the MAC is of all that is believed. */
        sealed_put(&wire, &sealed);
        CHECK(!wire.bad && wire.at == sealed.authentic.length && memcmp(out, data, wire.at) == 0);
        return 0;
}
