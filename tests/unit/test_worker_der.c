/* SPDX-License-Identifier: MPL-2.0 */
/* ECDSA signatures to DER and back, DigestInfo, certificates. */
#include <string.h>

#include "daemon/worker/encoding/der.h"
#include "tests/unit/suite.h"

static void check_ecdsa(const uint8_t *raw, size_t raw_length, const uint8_t *der, size_t der_length)
{
        uint8_t out[DER_ECDSA_MAX], back[132];

        CU_ASSERT_EQUAL_FATAL(der_from_ecdsa(raw, raw_length, out), der_length);
        CU_ASSERT_EQUAL(memcmp(out, der, der_length), 0);
        CU_ASSERT(der_to_ecdsa(der, der_length, back, raw_length));
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
        uint8_t raw[132], out[DER_ECDSA_MAX], back[132];
        size_t length;

        memset(raw, 0xff, sizeof(raw));
        length = der_from_ecdsa(raw, sizeof(raw), out);
        CU_ASSERT_EQUAL(length, DER_ECDSA_MAX);
        CU_ASSERT_EQUAL(out[1], 0x81);
        CU_ASSERT(der_to_ecdsa(out, length, back, sizeof(back)));
        CU_ASSERT_EQUAL(memcmp(back, raw, sizeof(raw)), 0);
}

static void test_zero(void)
{
        uint8_t raw[64] = {[31] = 1}, out[DER_ECDSA_MAX];

        CU_ASSERT_EQUAL(der_from_ecdsa(raw, 64, out), 0);
        memset(raw, 0, sizeof(raw));
        raw[63] = 1;
        CU_ASSERT_EQUAL(der_from_ecdsa(raw, 64, out), 0);
        raw[0] = 1;
        CU_ASSERT_EQUAL(der_from_ecdsa(raw, 63, out), 0);
        CU_ASSERT_EQUAL(der_from_ecdsa(raw, 0, out), 0);
}

static void refused(const uint8_t *der, size_t length)
{
        uint8_t raw[64];

        CU_ASSERT_FALSE(der_to_ecdsa(der, length, raw, sizeof(raw)));
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
        uint8_t digest[64], out[DER_DIGEST_INFO_MAX];
        static const uint8_t sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
        static const uint8_t sha512[] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
                0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40};

        memset(digest, 0xab, sizeof(digest));
        CU_ASSERT_EQUAL(der_digest_info(HASH_SHA256, digest, out), 51);
        CU_ASSERT_EQUAL(memcmp(out, sha256, sizeof(sha256)), 0);
        CU_ASSERT_EQUAL(memcmp(out + 19, digest, 32), 0);
        CU_ASSERT_EQUAL(der_digest_info(HASH_SHA384, digest, out), 67);
        CU_ASSERT_EQUAL(out[14], 2);
        CU_ASSERT_EQUAL(der_digest_info(HASH_SHA512, digest, out), DER_DIGEST_INFO_MAX);
        CU_ASSERT_EQUAL(memcmp(out, sha512, sizeof(sha512)), 0);
        CU_ASSERT_EQUAL(der_digest_info(HASH_NONE, digest, out), 0);
}

static void test_certificate(void)
{
        /* SEQUENCE { SEQUENCE { [0], INTEGER, 4 × SEQUENCE, SEQUENCE { NULL } } } */
        static const uint8_t v3[] = {0x30, 22, 0x30, 20, 0xa0, 3, 2, 1, 2, 2, 1, 5, 0x30, 0, 0x30, 0, 0x30, 0,
                0x30, 0, 0x30, 2, 5, 0};
        static const uint8_t v1[] = {
                0x30, 17, 0x30, 15, 2, 1, 5, 0x30, 0, 0x30, 0, 0x30, 0, 0x30, 0, 0x30, 2, 5, 0};
        struct der spki;

        CU_ASSERT_FATAL(der_spki_of_certificate((struct der){v3, sizeof(v3)}, &spki));
        CU_ASSERT_PTR_EQUAL(spki.data, v3 + 20);
        CU_ASSERT_EQUAL(spki.length, 4);
        CU_ASSERT_FATAL(der_spki_of_certificate((struct der){v1, sizeof(v1)}, &spki));
        CU_ASSERT_PTR_EQUAL(spki.data, v1 + 15);
        for (size_t cut = 0; cut < sizeof(v3); cut++)
                CU_ASSERT_FALSE(der_spki_of_certificate((struct der){v3, cut}, &spki));
}

static void test_heads(void)
{
        static const size_t lengths[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000};

        for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
                uint8_t *buffer = calloc(1, lengths[i] + 5);
                size_t head = der_head(buffer, 0x04, lengths[i]);
                struct der in = {buffer, head + lengths[i]}, content;
                uint8_t tag;

                CU_ASSERT_EQUAL(head, der_head(NULL, 0x04, lengths[i]));
                CU_ASSERT(der_next(&in, &tag, &content));
                CU_ASSERT_EQUAL(tag, 0x04);
                CU_ASSERT_EQUAL(content.length, lengths[i]);
                CU_ASSERT_EQUAL(in.length, 0);
                free(buffer);
        }
}

SUITE(worker_der, {"small numbers take one byte", test_small},
        {"a number with its high bit set gets a zero before it", test_high_bit},
        {"the longest signature of P-521 fits", test_longest},
        {"a zero, and an odd length, are no signature", test_zero},
        {"a signature that is not strictly DER is refused", test_strict},
        {"DigestInfo is as RFC 8017 has it", test_digest_info},
        {"the public key is found in a certificate of v1 and v3, and in no part of one", test_certificate},
        {"what der_head writes der_next reads", test_heads});
