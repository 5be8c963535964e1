/* SPDX-License-Identifier: MPL-2.0 */
/* The form of a sealed key. */
#include <string.h>

#include "daemon/channel/sealed.h"
#include "tests/unit/suite.h"

static const uint8_t id[SEALED_ID] = "0123456789abcdef", wrapped[40] = "wrapped";

static struct sealed sample(void)
{
        return (struct sealed){.token = "hsm",
                .instance = "kra",
                .seal = wire_bytes(id, sizeof(id)),
                .mac = wire_bytes(id, sizeof(id)),
                .type = 1,
                .usage = 48,
                .size = 32,
                .wrapped = wire_bytes(wrapped, sizeof(wrapped))};
}

/* With a MAC of ones. Returns its length. */
static size_t put(const struct sealed *sealed, uint8_t bytes[static LIMIT_SEALED + 1])
{
        struct wire wire = {.data = bytes, .size = LIMIT_SEALED + 1 - SEALED_MAC};

        sealed_put(&wire, sealed);
        CU_ASSERT_FALSE_FATAL(wire.bad);
        memset(bytes + wire.at, 1, SEALED_MAC);
        return wire.at + SEALED_MAC;
}

static void test_round_trip(void)
{
        struct sealed sealed = sample(), read;
        uint8_t bytes[LIMIT_SEALED + 1];
        size_t n = put(&sealed, bytes);
        char fingerprint[2 * SEALED_FINGERPRINT + 1];

        CU_ASSERT_TRUE_FATAL(sealed_parse(wire_bytes(bytes, n), &read));
        CU_ASSERT_STRING_EQUAL(read.token, "hsm");
        CU_ASSERT_STRING_EQUAL(read.instance, "kra");
        CU_ASSERT_EQUAL(read.type, 1);
        CU_ASSERT_EQUAL(read.usage, 48);
        CU_ASSERT_EQUAL(read.size, 32);
        CU_ASSERT_EQUAL(read.public.length, 0);
        CU_ASSERT_EQUAL(read.wrapped.length, sizeof(wrapped));
        CU_ASSERT_EQUAL(memcmp(read.wrapped.data, wrapped, sizeof(wrapped)), 0);
        CU_ASSERT_EQUAL(read.authentic.length, n - SEALED_MAC);
        CU_ASSERT_PTR_EQUAL(read.authentication, bytes + n - SEALED_MAC);
        sealed_fingerprint(wire_bytes(bytes, n), fingerprint);
        CU_ASSERT_STRING_EQUAL(fingerprint, "01010101010101010101010101010101");
}

static void test_cut(void)
{
        struct sealed sealed = sample(), read;
        uint8_t bytes[LIMIT_SEALED + 1];
        size_t n = put(&sealed, bytes);

        for (size_t i = 0; i < n; i++)
                CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, i), &read));
        bytes[n] = 1;
        CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, n + 1), &read));
        bytes[0] = SEALED_VERSION + 1;
        CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, n), &read));
}

static void test_impossible(void)
{
        struct sealed sealed = sample(), read;
        uint8_t bytes[LIMIT_SEALED + 1];

        sealed.seal.length--;
        CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, put(&sealed, bytes)), &read));
        sealed = sample();
        sealed.mac.length = 0;
        CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, put(&sealed, bytes)), &read));
        sealed = sample();
        sealed.wrapped.length = 0;
        CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, put(&sealed, bytes)), &read));
}

/* LIMIT_SEALED: one byte more does not parse, though it is well-formed. */
static void test_limit(void)
{
        static const uint8_t long_key[LIMIT_SEALED] = {1};
        struct sealed sealed = sample(), read;
        uint8_t bytes[LIMIT_SEALED + 1];
        size_t n;

        sealed.wrapped = wire_bytes(long_key, 0);
        n = put(&sealed, bytes);
        sealed.wrapped.length = LIMIT_SEALED - n;
        CU_ASSERT_EQUAL_FATAL(put(&sealed, bytes), LIMIT_SEALED);
        CU_ASSERT_TRUE(sealed_parse(wire_bytes(bytes, LIMIT_SEALED), &read));
        sealed.wrapped.length++;
        CU_ASSERT_EQUAL_FATAL(put(&sealed, bytes), LIMIT_SEALED + 1);
        CU_ASSERT_FALSE(sealed_parse(wire_bytes(bytes, LIMIT_SEALED + 1), &read));
}

SUITE(channel_sealed, {"what is written is read", test_round_trip},
        {"a sealed key that is cut, longer, or of another version does not parse", test_cut},
        {"ids have their length, and something is wrapped", test_impossible},
        {"a sealed key has at most LIMIT_SEALED bytes", test_limit});
