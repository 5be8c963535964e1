/* SPDX-License-Identifier: MPL-2.0 */
/* SubjectPublicKeyInfo: in a certificate, from attributes, and what it says of itself. */
#include <string.h>

#include "daemon/util/spki.h"
#include "tests/unit/suite.h"

static struct der of(const void *data, size_t length)
{
        return (struct der){data, length};
}

static void test_rsa(void)
{
        uint8_t modulus[257] = {0};
        static const uint8_t exponent[] = {0, 1, 0, 1};
        _cleanup_(freep) uint8_t *spki = NULL;
        size_t length = 0;
        unsigned bits = 0;
        struct der key;

        memset(modulus + 1, 0xc3, 256);
        CU_ASSERT_EQUAL_FATAL(spki_from_rsa(of(modulus, 257), of(exponent, 4), &spki, &length), 0);
        /* What openssl gives for any RSA-2048 key with exponent 65537. */
        CU_ASSERT_EQUAL(length, 294);
        CU_ASSERT_EQUAL(spki_key_type(of(spki, length), &bits, &key), KEY_RSA);
        CU_ASSERT_EQUAL(bits, 2048);
        CU_ASSERT_EQUAL(memcmp(spki + length - 5, "\x02\x03\x01\x00\x01", 5), 0);
        CU_ASSERT_EQUAL(spki_key_type(of(spki, length - 1), &bits, &key), 0);
}

static void test_rsa_none(void)
{
        static const uint8_t zeros[4] = {0}, one[] = {1};
        uint8_t *spki = NULL;
        size_t length;

        CU_ASSERT_EQUAL(spki_from_rsa(of(zeros, 4), of(one, 1), &spki, &length), -EINVAL);
        CU_ASSERT_EQUAL(spki_from_rsa(of(one, 1), of(NULL, 0), &spki, &length), -EINVAL);
        CU_ASSERT_PTR_NULL(spki);
}

static void check_curve(unsigned bits, size_t point_length, unsigned type, size_t expected)
{
        uint8_t point[133], wrapped[136] = {0x04};
        _cleanup_(freep) uint8_t *bare = NULL, *octets = NULL;
        size_t length = 0, octets_length = 0, at = 1;
        unsigned found = 0;
        struct der key;

        memset(point, 0x5a, sizeof(point));
        if (bits != 255)
                point[0] = 0x04;
        at = der_head(wrapped, 0x04, point_length);
        memcpy(wrapped + at, point, point_length);
        CU_ASSERT_EQUAL_FATAL(spki_from_point(bits, of(point, point_length), &bare, &length), 0);
        CU_ASSERT_EQUAL_FATAL(
                spki_from_point(bits, of(wrapped, at + point_length), &octets, &octets_length), 0);
        CU_ASSERT_EQUAL(length, expected);
        CU_ASSERT(octets_length == length && memcmp(bare, octets, length) == 0);
        CU_ASSERT_EQUAL(spki_key_type(of(bare, length), &found, &key), type);
        CU_ASSERT_EQUAL(found, bits);
        CU_ASSERT(key.length == point_length && memcmp(key.data, point, point_length) == 0);
}

static void test_curves(void)
{
        check_curve(256, 65, KEY_EC, 91);
        check_curve(384, 97, KEY_EC, 120);
        check_curve(521, 133, KEY_EC, 158);
        check_curve(255, 32, KEY_ED25519, 44);
}

static void test_points(void)
{
        uint8_t point[65] = {0x04}, *spki = NULL;
        size_t length;

        CU_ASSERT_EQUAL(spki_from_point(256, of(point, 64), &spki, &length), -EINVAL);
        CU_ASSERT_EQUAL(spki_from_point(384, of(point, 65), &spki, &length), -EINVAL);
        CU_ASSERT_EQUAL(spki_from_point(192, of(point, 65), &spki, &length), -EINVAL);
        CU_ASSERT_EQUAL(spki_from_point(256, of(NULL, 0), &spki, &length), -EINVAL);
        point[0] = 0x02;
        CU_ASSERT_EQUAL(spki_from_point(256, of(point, 65), &spki, &length), -EINVAL);
        CU_ASSERT_PTR_NULL(spki);
}

static void test_params(void)
{
        static const unsigned all[] = {256, 384, 521, 255};
        static const uint8_t secp256k1[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a};
        static const uint8_t ed448[] = {0x13, 10, 'e', 'd', 'w', 'a', 'r', 'd', 's', '4', '4', '8'};
        static const uint8_t ed25519[] = {
                0x13, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                CU_ASSERT_EQUAL(spki_curve_bits(spki_curve_params(all[i])), all[i]);
        }
        CU_ASSERT_EQUAL(spki_curve_params(192).length, 0);
        CU_ASSERT_EQUAL(spki_curve_bits(of(ed25519, sizeof(ed25519))), 255);
        CU_ASSERT_EQUAL(spki_curve_bits(of(secp256k1, sizeof(secp256k1))), 0);
        CU_ASSERT_EQUAL(spki_curve_bits(of(ed448, sizeof(ed448))), 0);
        CU_ASSERT_EQUAL(spki_curve_bits(of(NULL, 0)), 0);
}

/* A certificate that is as short as one can be, and still has every part; its public key is the byte `k`. */
#define SPKI                                                                                                 \
        "\x30\x0a\x30\x03\x06\x01\x2a\x03\x03\x00\x04"                                                       \
        "k"
#define TBS  "\x30\x1c\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x00\x30\x00\x30\x00" SPKI
#define DER  "\x30\x25" TBS "\x30\x00\x03\x03\x00\x01\x02"
#define V1   "\x30\x20\x30\x17\x02\x01\x01\x30\x00\x30\x00\x30\x00\x30\x00" SPKI "\x30\x00\x03\x03\x00\x01\x02"
#define SIZE (sizeof(DER) - 1)

static void test_certificate(void)
{
        unsigned char der[SIZE + 1] = DER;
        struct der spki;

        CU_ASSERT_TRUE_FATAL(spki_of_certificate(of(der, SIZE), &spki));
        CU_ASSERT_EQUAL(spki.length, sizeof(SPKI) - 1);
        CU_ASSERT_EQUAL(memcmp(spki.data, SPKI, spki.length), 0);
        /* Whatever is cut off, added, or has its tag changed is none. */
        for (size_t n = 0; n < SIZE; n++)
                CU_ASSERT_FALSE(spki_of_certificate(of(der, n), &spki));
        CU_ASSERT_FALSE(spki_of_certificate(of(der, SIZE + 1), &spki));
        for (size_t i = 0; i < SIZE; i++) {
                der[i] ^= 0x80;
                (void)spki_of_certificate(of(der, SIZE), &spki);
                der[i] ^= 0x80;
        }
        CU_ASSERT_TRUE_FATAL(spki_of_certificate(of(V1, sizeof(V1) - 1), &spki));
        CU_ASSERT_EQUAL(spki.length, sizeof(SPKI) - 1);
        der[1] = 0x80;
        CU_ASSERT_FALSE(spki_of_certificate(of(der, SIZE), &spki));
}

static void test_same(void)
{
        unsigned char a[] = SPKI, b[] = SPKI;
        struct der first = of(a, sizeof(a) - 1), second = of(b, sizeof(b) - 1);

        CU_ASSERT_TRUE(spki_is_same(first, second));
        b[6] = 0x2b; /* another algorithm's name */
        CU_ASSERT_TRUE(spki_is_same(first, second));
        b[11] = 'l'; /* another key */
        CU_ASSERT_FALSE(spki_is_same(first, second));
        b[11] = 'k';
        b[9] = 1; /* bits that are not used */
        CU_ASSERT_FALSE(spki_is_same(first, second));
        CU_ASSERT_FALSE(spki_is_same(second, second));
}

SUITE(util_spki, {"a public key is found in a certificate, and in nothing else", test_certificate},
        {"two public keys are compared by the keys alone", test_same},
        {"an RSA key is as long as openssl makes it", test_rsa},
        {"zero is no modulus and nothing is no exponent", test_rsa_none},
        {"each curve, its point bare or in an OCTET STRING", test_curves},
        {"a point of another curve, compressed, or cut is refused", test_points},
        {"curves are known by OID, Ed25519 by its name too, others not at all", test_params});
