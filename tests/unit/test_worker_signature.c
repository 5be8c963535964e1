/* SPDX-License-Identifier: MPL-2.0 */
/* ECDSA signatures to DER and back, DigestInfo. */
#include <string.h>

#include "daemon/worker/encoding/signature.h"
#include "tests/unit/suite.h"

static void check_ecdsa(const uint8_t *raw, size_t raw_length, const uint8_t *der, size_t der_length)
{
        uint8_t out[SIGNATURE_DER_MAX], back[132];

        CU_ASSERT_EQUAL_FATAL(signature_to_der(raw, raw_length, out), der_length);
        CU_ASSERT_EQUAL(memcmp(out, der, der_length), 0);
        CU_ASSERT(signature_from_der((struct der){der, der_length}, back, raw_length));
        CU_ASSERT_EQUAL(memcmp(back, raw, raw_length), 0);
}

static void test_small(void)
{
        static const uint8_t raw[64] = {[31] = 1, [63] = 0x7f};
        static const uint8_t der[] = {0x30, 6, 2, 1, 1, 2, 1, 0x7f};

        check_ecdsa(raw, sizeof(raw), der, sizeof(der));
}

static void test_high_bit(void)
{
        static const uint8_t raw[64] = {[0] = 0x80, [63] = 0x80};
        uint8_t der[41] = {0x30, 39, 2, 33, 0, 0x80};

        memcpy(der + 37, (const uint8_t[]){2, 2, 0, 0x80}, 4);
        check_ecdsa(raw, sizeof(raw), der, sizeof(der));
}

static void test_longest(void)
{
        uint8_t raw[132], out[SIGNATURE_DER_MAX], back[132];
        size_t length;

        memset(raw, 0xff, sizeof(raw));
        length = signature_to_der(raw, sizeof(raw), out);
        CU_ASSERT_EQUAL(length, SIGNATURE_DER_MAX);
        CU_ASSERT_EQUAL(out[1], 0x81);
        CU_ASSERT(signature_from_der((struct der){out, length}, back, sizeof(back)));
        CU_ASSERT_EQUAL(memcmp(back, raw, sizeof(raw)), 0);
}

static void test_zero(void)
{
        uint8_t raw[64] = {[31] = 1}, out[SIGNATURE_DER_MAX];

        CU_ASSERT_EQUAL(signature_to_der(raw, 64, out), 0);
        memset(raw, 0, sizeof(raw));
        raw[63] = 1;
        CU_ASSERT_EQUAL(signature_to_der(raw, 64, out), 0);
        raw[0] = 1;
        CU_ASSERT_EQUAL(signature_to_der(raw, 63, out), 0);
        CU_ASSERT_EQUAL(signature_to_der(raw, 0, out), 0);
}

static void refused(const uint8_t *der, size_t length)
{
        uint8_t raw[64];

        CU_ASSERT_FALSE(signature_from_der((struct der){der, length}, raw, sizeof(raw)));
}
#define REFUSED(...) refused((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void test_strict(void)
{
        uint8_t long_one[] = {0x30, 38, 2, 33, 1, [37] = 2, 1, 1};

        REFUSED(0x30, 6, 2, 1, 1, 2, 1, 1, 0);          /* something behind */
        REFUSED(0x30, 7, 2, 1, 1, 2, 1, 1, 0);          /* something inside */
        REFUSED(0x30, 6, 2, 1, 1, 2, 1);                /* cut */
        REFUSED(0x30, 6, 2, 1, 0x81, 2, 1, 1);          /* negative */
        REFUSED(0x30, 7, 2, 2, 0, 1, 2, 1, 1);          /* not minimal */
        REFUSED(0x30, 5, 2, 0, 2, 1, 1);                /* empty */
        REFUSED(0x30, 0x81, 6, 2, 1, 1, 2, 1, 1);       /* length not shortest */
        REFUSED(0x30, 0x80, 2, 1, 1, 2, 1, 1, 0, 0);    /* indefinite */
        REFUSED(0x31, 6, 2, 1, 1, 2, 1, 1);             /* a set */
        REFUSED(0x30, 6, 3, 1, 1, 2, 1, 1);             /* no integer */
        REFUSED(0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2); /* a length beyond all */
        refused(long_one, sizeof(long_one));            /* longer than the curve */
        refused(NULL, 0);
}

static void test_digest_info(void)
{
        uint8_t digest[64], out[SIGNATURE_DIGEST_INFO_MAX];
        static const uint8_t sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
        static const uint8_t sha512[] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40};

        memset(digest, 0xab, sizeof(digest));
        CU_ASSERT_EQUAL(signature_digest_info(HASH_SHA256, digest, out), 51);
        CU_ASSERT_EQUAL(memcmp(out, sha256, sizeof(sha256)), 0);
        CU_ASSERT_EQUAL(memcmp(out + 19, digest, 32), 0);
        CU_ASSERT_EQUAL(signature_digest_info(HASH_SHA384, digest, out), 67);
        CU_ASSERT_EQUAL(out[14], 2);
        CU_ASSERT_EQUAL(signature_digest_info(HASH_SHA512, digest, out), SIGNATURE_DIGEST_INFO_MAX);
        CU_ASSERT_EQUAL(memcmp(out, sha512, sizeof(sha512)), 0);
        CU_ASSERT_EQUAL(signature_digest_info(HASH_NONE, digest, out), 0);
}

SUITE(worker_signature, {"small numbers take one byte", test_small},
        {"a number with its high bit set gets a zero before it", test_high_bit},
        {"the longest signature of P-521 fits", test_longest},
        {"a zero, and an odd length, are no signature", test_zero},
        {"a signature that is not strictly DER is refused", test_strict},
        {"DigestInfo is as RFC 8017 has it", test_digest_info});
