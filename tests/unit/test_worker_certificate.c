/* SPDX-License-Identifier: MPL-2.0 */
/* What a certificate says, read out of DER that may be anything. */
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/encoding/certificate.h"
#include "tests/unit/suite.h"

/* openssl req -x509 -newkey ed25519 -subj "/O=EXAMPLE/CN=a" -days 1 -set_serial 0x00f1 with dates that were set; extensions left out */
#define NAME                                                                                                 \
        0x30, 0x1e, 0x31, 0x10, 0x30, 0x0e, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x07, 'E', 'X', 'A', 'M',    \
                'P', 'L', 'E', 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'a'
#define SPKI                                                                                                 \
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 1, 2, 3, 4, 5, 6, 7, 8, 9,   \
                10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32

static const uint8_t good[] = {0x30, 0x81, 0xab, 0x30, 0x81, 0x9e, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x02,
        0x00, 0xf1, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, NAME, 0x30, 0x20, 0x17, 0x0d, '2', '4', '0',
        '2', '2', '9', '1', '2', '0', '0', '0', '0', 'Z', 0x18, 0x0f, '2', '0', '5', '0', '0', '1', '0', '1',
        '0', '0', '0', '0', '0', '0', 'Z', NAME, SPKI, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x01,
        0x00};

static void test_good(void)
{
        struct certificate certificate;

        CU_ASSERT_TRUE_FATAL(certificate_parse((struct der){good, sizeof(good)}, &certificate));
        CU_ASSERT_STRING_EQUAL(certificate.serial_text, "f1");
        CU_ASSERT_STRING_EQUAL(certificate.subject_text, "CN=a,O=EXAMPLE");
        CU_ASSERT_STRING_EQUAL(certificate.issuer_text, "CN=a,O=EXAMPLE");
        CU_ASSERT_EQUAL(certificate.not_before_usec, 1709208000 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(certificate.not_after_usec, 2524608000 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(certificate.spki.length, 44);
        CU_ASSERT_EQUAL(certificate.serial.length, 4);
}

static void test_cut(void)
{
        struct certificate certificate;
        uint8_t longer[sizeof(good) + 1] = {0};

        for (size_t n = 0; n < sizeof(good); n++) {
                uint8_t *part = malloc(n + 1);
                memcpy(part, good, n);
                CU_ASSERT_FALSE(certificate_parse((struct der){part, n}, &certificate));
                CU_ASSERT_STRING_EQUAL(certificate.subject_text, "");
                free(part);
        }
        memcpy(longer, good, sizeof(good));
        CU_ASSERT_FALSE(certificate_parse((struct der){longer, sizeof(longer)}, &certificate));
}

static void test_flipped(void)
{
        for (size_t bit = 0; bit < 8 * sizeof(good); bit++) {
                struct certificate certificate;
                uint8_t *other = malloc(sizeof(good));

                memcpy(other, good, sizeof(good));
                other[bit / 8] ^= (uint8_t)(1U << bit % 8);
                if (certificate_parse((struct der){other, sizeof(good)}, &certificate)) {
                        CU_ASSERT(text_is_utf8(certificate.subject_text, strlen(certificate.subject_text)));
                        CU_ASSERT(text_is_utf8(certificate.issuer_text, strlen(certificate.issuer_text)));
                }
                free(other);
        }
}

static void test_times(void)
{
        static const struct {
                size_t at;
                char to;
        } bad[] = {{0, 'x'}, {2, '9'}, {4, '9'}, {6, '3'}, {8, '6'}, {12, '+'}};
        struct certificate certificate;
        uint8_t other[sizeof(good)];
        const size_t first = 22 + 32 + 4;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                memcpy(other, good, sizeof(good));
                CU_ASSERT_EQUAL_FATAL(other[first], '2');
                other[first + bad[i].at] = (uint8_t)bad[i].to;
                CU_ASSERT_TRUE(certificate_parse((struct der){other, sizeof(other)}, &certificate));
                CU_ASSERT_TRUE(certificate.odd);
                CU_ASSERT_EQUAL(certificate.not_before_usec, 0);
                CU_ASSERT_STRING_EQUAL(certificate.subject_text, "CN=a,O=EXAMPLE");
        }
        /* Before 1970: 0, not a time far ahead. */
        memcpy(other, good, sizeof(good));
        other[first] = '6';
        CU_ASSERT_TRUE(certificate_parse((struct der){other, sizeof(other)}, &certificate));
        CU_ASSERT_EQUAL(certificate.not_before_usec, 0);
        CU_ASSERT_FALSE(certificate.odd);
}

/* The certificate with another element in the place of one; the caller frees. Its length is that of the old one, or less than 0x100. */
static struct der with(size_t at, size_t old_length, const void *element, size_t length)
{
        size_t size = sizeof(good) - old_length + length;
        uint8_t *made = malloc(size);

        CU_ASSERT_PTR_NOT_NULL_FATAL(made);
        memcpy(made, good, at);
        memcpy(made + at, element, length);
        memcpy(made + at + length, good + at + old_length, sizeof(good) - at - old_length);
        made[2] = (uint8_t)(made[2] + length - old_length);
        made[5] = (uint8_t)(made[5] + length - old_length);
        if (at > 50)
                made[55] = (uint8_t)(made[55] + length - old_length);
        return (struct der){made, size};
}

/* As openssl reads them. */
static void test_odd_times(void)
{
        static const struct {
                const char *text;
                uint64_t seconds; /* 0: none that can be read */
        } times[] = {{"\x17\x0b"
                      "2402291200Z",
                             1709208000},
                {"\x17\x11"
                 "240229130000+0100",
                        1709208000},
                {"\x17\x0f"
                 "2402291100-0100",
                        1709208000},
                {"\x18\x0d"
                 "202402291200Z",
                        1709208000},
                {"\x18\x13"
                 "20240229120000.500Z",
                        1709208000},
                {"\x18\x16"
                 "20240229120000.5+00000",
                        0},
                {"\x18\x0e"
                 "20240229120000",
                        0},
                {"\x17\x11"
                 "240229120000.50Z0",
                        0},
                {"\x17\x00", 0}, {"\x05\x00", 0}};

        for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
                struct der made = with(56, 15, times[i].text, 2 + (size_t)times[i].text[1]);
                struct certificate certificate;

                CU_ASSERT_TRUE(certificate_parse(made, &certificate));
                CU_ASSERT_EQUAL(certificate.not_before_usec, times[i].seconds * USEC_PER_SEC);
                CU_ASSERT_EQUAL(certificate.not_after_usec, 2524608000 * USEC_PER_SEC);
                CU_ASSERT_TRUE(certificate.odd);
                free((void *)(uintptr_t)made.data);
        }
}

static void test_serials(void)
{
        static const struct {
                uint8_t element[7];
                const char *text;
        } serials[] = {{{2, 1, 0x00}, "00"}, {{2, 1, 0xff}, "-01"}, {{2, 2, 0x00, 0xff}, "ff"},
                {{2, 1, 0x80}, "-80"}, {{2, 2, 0xff, 0x7f}, "-81"}, {{2, 2, 0xff, 0x00}, "-0100"},
                {{2, 3, 0xfe, 0x00, 0x00}, "-020000"}, {{2, 4, 0xff, 0xff, 0xff, 0xff}, "-01"},
                {{2, 3, 0x80, 0x00, 0x01}, "-7fffff"}};

        for (size_t i = 0; i < ARRAY_SIZE(serials); i++) {
                struct der made = with(11, 4, serials[i].element, 2U + serials[i].element[1]);
                struct certificate certificate;

                CU_ASSERT_TRUE(certificate_parse(made, &certificate));
                CU_ASSERT_STRING_EQUAL(certificate.serial_text, serials[i].text);
                free((void *)(uintptr_t)made.data);
        }
}

static void test_padded(void)
{
        uint8_t padded[sizeof(good) + 40];

        for (unsigned fill = 0; fill < 0x100; fill += 0x55) {
                memset(padded, (int)fill, sizeof(padded));
                memcpy(padded, good, sizeof(good));
                CU_ASSERT_EQUAL(certificate_length((struct der){padded, sizeof(padded)}), sizeof(good));
                CU_ASSERT_EQUAL(certificate_length((struct der){padded, sizeof(good)}), sizeof(good));
                /* What is cut is none, and keeps its bytes. */
                CU_ASSERT_EQUAL(certificate_length((struct der){padded, sizeof(good) - 1}), sizeof(good) - 1);
                CU_ASSERT_EQUAL(certificate_length((struct der){padded + 1, sizeof(good)}), sizeof(good));
        }
        CU_ASSERT_EQUAL(certificate_length((struct der){padded, 0}), 0);
}

/* The length of a name of n bytes, as the token gets it. */
static void check_apart(size_t n, const uint8_t *head, size_t head_length)
{
        uint8_t *name = malloc(n + 5), *apart = NULL;
        size_t length = der_head(name, DER_TAG_SEQUENCE, n), apart_length = 0;

        CU_ASSERT_PTR_NOT_NULL_FATAL(name);
        memset(name + length, 'x', n);
        CU_ASSERT_EQUAL_FATAL(
                certificate_subject_apart((struct der){name, length + n}, &apart, &apart_length), 0);
        CU_ASSERT_EQUAL_FATAL(apart_length, head_length + n);
        CU_ASSERT_EQUAL(memcmp(apart, head, head_length), 0);
        CU_ASSERT_EQUAL(memcmp(apart + head_length, name + length, n), 0);
        CU_ASSERT_TRUE(certificate_is_apart((struct der){apart, apart_length}));
        CU_ASSERT_FALSE(certificate_is_apart((struct der){name, length + n}));
        for (size_t cut = 0; cut < 3; cut++)
                CU_ASSERT_FALSE(certificate_is_apart((struct der){apart, cut}));
        free(name);
        free(apart);
}

static void test_apart(void)
{
        static const uint8_t not_a_name[] = {0x31, 0x00};
        uint8_t *apart = NULL;
        size_t length;

        check_apart(0, (const uint8_t[]){0x30, 0x81, 0x00}, 3);
        check_apart(0x7f, (const uint8_t[]){0x30, 0x81, 0x7f}, 3);
        check_apart(0x80, (const uint8_t[]){0x30, 0x82, 0x00, 0x80}, 4);
        check_apart(0xff, (const uint8_t[]){0x30, 0x82, 0x00, 0xff}, 4);
        check_apart(0x100, (const uint8_t[]){0x30, 0x83, 0x00, 0x01, 0x00}, 5);
        check_apart(0xffff, (const uint8_t[]){0x30, 0x83, 0x00, 0xff, 0xff}, 5);
        CU_ASSERT_EQUAL(
                certificate_subject_apart((struct der){not_a_name, sizeof(not_a_name)}, &apart, &length),
                -EINVAL);
        CU_ASSERT_PTR_NULL(apart);
}

SUITE(worker_certificate, {"a certificate's fields are found", test_good},
        {"a certificate that is cut, or has more behind it, is none", test_cut},
        {"a flipped bit makes no text that is none", test_flipped},
        {"a time that is none is 0, and so is one before 1970", test_times},
        {"times in forms that RFC 5280 does not allow are read", test_odd_times},
        {"a negative serial number has a sign", test_serials},
        {"what a token puts behind a certificate is not its", test_padded},
        {"the subject as the token gets it is the same name in other bytes than DER's", test_apart});
