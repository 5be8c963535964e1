/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: sealed keys. Nobody here checks a MAC: the broker cannot. */
#include <stdio.h>
#include <string.h>

#include "daemon/channel/sealed.h"
#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "proto/base64.h"
#include "tests/unit/bench.h"

struct wire_bytes bench_sealed(const struct fake_sealed *key)
{
        static uint8_t bytes[256];
        struct wire wire = {.data = bytes, .size = sizeof(bytes) - SEALED_MAC};

        sealed_put(&wire, &(struct sealed){.token = "hsm",
                                  .instance = key->instance,
                                  .seal = wire_bytes("0123456789abcdef", SEALED_ID),
                                  .mac = wire_bytes("fedcba9876543210", SEALED_ID),
                                  .type = key->type,
                                  .usage = key->usage,
                                  .size = key->size,
                                  .wrapped = wire_bytes("wrapped", 7)});
        BENCH_NEED(!wire.bad);
        memset(bytes + wire.at, 'm', SEALED_MAC);
        return wire_bytes(bytes, wire.at + SEALED_MAC);
}

static struct fake_sealed sealed_of(const char *instance, uint8_t type, uint32_t size, uint32_t usage)
{
        struct fake_sealed sealed = {.type = type, .size = size, .usage = usage};

        snprintf(sealed.instance, sizeof(sealed.instance), "%s", instance);
        return sealed;
}

struct fake_sealed bench_asked(enum message_type type, const union operation_message *message)
{
        const struct message_sealed_generate *generate = &message->sealed_generate;
        const struct message_unwrap *unwrap = &message->unwrap;
        const struct message_secret_derive *derive = &message->secret_derive;

        switch (type) {
        case MESSAGE_TYPE_SEALED_GENERATE:
                return sealed_of(generate->instance, generate->type, generate->size, generate->usage);
        case MESSAGE_TYPE_UNWRAP:
                return sealed_of(unwrap->instance, unwrap->type, unwrap->size, unwrap->usage);
        case MESSAGE_TYPE_SECRET_DERIVE:
                return sealed_of(derive->instance, derive->type, derive->size, derive->usage);
        default:
                return (struct fake_sealed){0};
        }
}

const char *bench_sealed_text(void)
{
        static char text[sizeof(SEALED_PREFIX) + BASE64_LENGTH(256U)] = SEALED_PREFIX;
        const struct fake_sealed key = {
                .instance = "a", .type = SECRET_EC, .size = 256, .usage = USAGE_SIGN | USAGE_DERIVE};
        struct wire_bytes bytes = bench_sealed(&key);

        base64_encode(bytes.data, bytes.length, text + strlen(SEALED_PREFIX));
        return text;
}
