/* SPDX-License-Identifier: MPL-2.0 */
/* SubjectPublicKeyInfo: in a certificate, from attributes, and what it says of itself. */
#include <string.h>

#include "daemon/util/curve-point.h"
#include "daemon/util/spki.h"
#include "daemon/util/text.h"
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
        uint8_t point[133], wrapped[137];
        _cleanup_(freep) uint8_t *bare = NULL, *octets = NULL, *bit_string = NULL;
        size_t length = 0, octets_length = 0, bit_string_length = 0, at;
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
        at = der_head(wrapped, 0x03, point_length + 1);
        wrapped[at++] = 0;
        memcpy(wrapped + at, point, point_length);
        CU_ASSERT_EQUAL_FATAL(
                spki_from_point(bits, of(wrapped, at + point_length), &bit_string, &bit_string_length), 0);
        CU_ASSERT(bit_string_length == length && memcmp(bare, bit_string, length) == 0);
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

/* By openssl: a point, compressed, and its y. */
static const struct {
        unsigned bits;
        const char *compressed, *y;
} compressed_points[] = {
        {256, "02e1c9f267d26a0d3fe5a3efc2402393caa5413d2eb8de57497ccff90aef32e511",
                "c15c1cec8097aea0d13b41b3d5dc39871da012f2815ada393dd3f3de7abc9ecc"},
        {256, "0360ccdd1b7554b0dcb986310af33f12ef79da884d03b41f207f37cdbc67ae75d8",
                "41de18910eca40384f9ca86f0a2d7b3ec470c7a0d0582e83a06481311031b9e1"},
        {384,
                "027f229b3c83b3bc6ff48034b38d4c391310907ec523a73175db21a06cb23166e6874103ec13ddbd557ff637c4bb"
                "d6472b",
                "8726fad6f22c0d4ae179a68208368c5d44ca9a27dc7780dfac751aeb98b7d743dabe4ce6cd9b60ca2b6831ec2cf2"
                "b7b2"},
        {384,
                "0305e4ffc08d0eaa7ae8d8226ce9d9f224bedb811e0da1c723852d44d90f1d558302a39f89393cc569dafba34f05"
                "6905c7",
                "a7890f71fd53a9f6eebc1a414d28d87f642cd75e4bfb38f6c44595c7fed5cbffa2dc9564ef0af7c6cfe9e1c35497"
                "d8eb"},
        {521,
                "0301b38675bed49d4c468ed707e355fb9d3a3938691ce7f15e2f8f45ebe21b362d44906732d1fd9aeee7e5ff75c1"
                "7215eafa21"
                "c7a82699cb7af1bcb9bab4b951af75fc",
                "00b0ad9577a938393522567d3ae8540230e6b665591bde46bfe9e07a024330a058a8f0e051611a1afed0e4b9e424"
                "22522358"
                "8b48f725074088faf664355f85ec54ff"},
        {521,
                "020065f99e2c07b1102a8bb395b9b80edae76e025bec752d580545a9260e16978acb5e38a243c74a4ea1a98bfea3"
                "8986ed291b"
                "c2b0945791bc936b8433dcee3188e6d1",
                "0033e1b5db6f7737d96f9e00c5950b9e2b283ce1a1e0f7ad6ddd56e9b8b84ffc48d57c0d1daef64120c7122da33f"
                "b6b382aa"
                "92287f2e5f4f0a6357863a297ec9ddc0"},
};

/* The key of this CKA_EC_POINT is that of the plain point. */
static void check_expanded(unsigned bits, struct der point, struct der plain)
{
        _cleanup_(freep) uint8_t *spki = NULL, *expected = NULL;
        size_t length = 0, n_expected = 0;

        CU_ASSERT_EQUAL_FATAL(spki_from_point(bits, plain, &expected, &n_expected), 0);
        CU_ASSERT_EQUAL_FATAL(spki_from_point(bits, point, &spki, &length), 0);
        CU_ASSERT_TRUE(der_is_same(of(spki, length), of(expected, n_expected)));
}

static void test_compressed(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(compressed_points); i++) {
                unsigned bits = compressed_points[i].bits;
                size_t n = (bits + 7) / 8, at;
                uint8_t point[67], plain[133], wrapped[72];
                struct der bare = of(point, n + 1), ignored;

                CU_ASSERT_TRUE_FATAL(text_unhex(compressed_points[i].compressed, n + 1, point));
                memcpy(plain, point, n + 1);
                plain[0] = 0x04;
                CU_ASSERT_TRUE_FATAL(text_unhex(compressed_points[i].y, n, plain + 1 + n));
                check_expanded(bits, bare, of(plain, 2 * n + 1));
                at = der_head(wrapped, 0x04, n + 1);
                memcpy(wrapped + at, point, n + 1);
                check_expanded(bits, of(wrapped, at + n + 1), of(plain, 2 * n + 1));
                at = der_head(wrapped, 0x03, n + 2);
                wrapped[at++] = 0;
                memcpy(wrapped + at, point, n + 1);
                check_expanded(bits, of(wrapped, at + n + 1), of(plain, 2 * n + 1));
                CU_ASSERT_FALSE(spki_point(bits, bare, &ignored));
        }
}

/* Half of all x have no y; an x that is not below p has none. */
static void test_no_such_point(void)
{
        unsigned n_points = 0;
        uint8_t point[67], y[66], *spki = NULL;
        size_t length;

        for (unsigned i = 1; i <= 100; i++) {
                memset(point, 0, 33);
                point[32] = (uint8_t)i;
                if (!curve_point_y(256, point + 1, i & 1, y))
                        continue;
                n_points++;
                CU_ASSERT_TRUE(curve_point_is_there(256, point + 1, y));
                y[31] ^= 1;
                CU_ASSERT_FALSE(curve_point_is_there(256, point + 1, y));
        }
        /* As Euler's criterion says of them. */
        CU_ASSERT_EQUAL(n_points, 48U);
        for (size_t i = 0; i < ARRAY_SIZE(compressed_points); i++) {
                size_t n = (compressed_points[i].bits + 7) / 8;

                memset(point, 0xff, sizeof(point));
                point[0] = 0x02;
                CU_ASSERT_EQUAL(spki_from_point(compressed_points[i].bits, of(point, n + 1), &spki, &length),
                        -EINVAL);
        }
        CU_ASSERT_FALSE(curve_point_y(255, point, true, y));
        CU_ASSERT_FALSE(curve_point_is_there(255, point, y));
        memset(y, 0xff, sizeof(y));
        CU_ASSERT_FALSE(curve_point_is_there(521, y, y));
        memset(y, 0, sizeof(y));
        CU_ASSERT_FALSE(curve_point_is_there(384, y, y));
        CU_ASSERT_PTR_NULL(spki);
}

/* As a certificate has it whose issuer left the point compressed. */
static void test_same_compressed(void)
{
        static const char head[] = "3039301306072a8648ce3d020106082a8648ce3d030107032200";
        uint8_t compressed[59];
        _cleanup_(freep) uint8_t *plain = NULL;
        size_t n = strlen(head) / 2, length = 0;

        CU_ASSERT_TRUE_FATAL(text_unhex(head, n, compressed));
        CU_ASSERT_TRUE_FATAL(text_unhex(compressed_points[0].compressed, 33, compressed + n));
        CU_ASSERT_EQUAL_FATAL(spki_from_point(256, of(compressed + n, 33), &plain, &length), 0);
        CU_ASSERT_TRUE(spki_is_same(of(compressed, n + 33), of(plain, length)));
        CU_ASSERT_TRUE(spki_is_same(of(plain, length), of(compressed, n + 33)));
        compressed[n] ^= 1;
        CU_ASSERT_FALSE(spki_is_same(of(compressed, n + 33), of(plain, length)));
        compressed[n] ^= 1;
        compressed[n + 32] ^= 1;
        CU_ASSERT_FALSE(spki_is_same(of(plain, length), of(compressed, n + 33)));
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
        {"each curve, its point bare, in an OCTET STRING or in a BIT STRING", test_curves},
        {"a point of another curve, or cut, is refused", test_points},
        {"a compressed point is written out", test_compressed},
        {"a compressed point that the curve does not have is refused", test_no_such_point},
        {"a compressed point is the same key", test_same_compressed},
        {"curves are known by OID, Ed25519 by its name too, others not at all", test_params});
