/* SPDX-License-Identifier: MPL-2.0 */
/* Elements of DER, read and written. */
#include "daemon/util/der.h"

#include <string.h>

#include "tests/unit/suite.h"

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

static void check_unsigned(const void *value, size_t length, const void *der, size_t der_length)
{
        uint8_t out[16] = {0};

        CU_ASSERT_EQUAL(der_put_unsigned(NULL, (struct der){value, length}), der_length);
        CU_ASSERT_EQUAL(der_put_unsigned(out, (struct der){value, length}), der_length);
        CU_ASSERT_EQUAL(memcmp(out, der, der_length), 0);
}

static void test_unsigned(void)
{
        check_unsigned("\x05", 1, "\x02\x01\x05", 3);
        check_unsigned("\0\0\x7f", 3, "\x02\x01\x7f", 3);
        check_unsigned("\0\x80", 2, "\x02\x02\0\x80", 4);
        check_unsigned("\0", 1, "", 0);
        check_unsigned(NULL, 0, "", 0);
}

static void test_tags(void)
{
        static const uint8_t two[] = {DER_TAG_OCTET_STRING, 1, 7, DER_TAG_SET, 0};
        struct der in = {two, sizeof(two)}, out = {0};

        CU_ASSERT_FALSE(der_take(&in, DER_TAG_SET, &out));
        CU_ASSERT_FALSE(der_take_whole(&in, DER_TAG_SET, &out));
        CU_ASSERT(in.data == two && out.data == NULL);
        CU_ASSERT(der_take(&in, DER_TAG_OCTET_STRING, &out));
        CU_ASSERT(der_is_same(out, (struct der){two + 2, 1}));
        CU_ASSERT(der_take_whole(&in, DER_TAG_SET, &out));
        CU_ASSERT(out.data == two + 3 && out.length == 2 && in.length == 0);
        CU_ASSERT_FALSE(der_take(&in, DER_TAG_SET, &out));
}

static void test_same(void)
{
        static const uint8_t bytes[] = {1, 2, 1, 3};

        CU_ASSERT(der_is_same((struct der){bytes, 1}, (struct der){bytes + 2, 1}));
        CU_ASSERT_FALSE(der_is_same((struct der){bytes, 2}, (struct der){bytes + 2, 2}));
        CU_ASSERT_FALSE(der_is_same((struct der){bytes, 2}, (struct der){bytes, 1}));
        CU_ASSERT(der_is_same((struct der){NULL, 0}, (struct der){bytes, 0}));
}

SUITE(util_der, {"what der_head writes der_next reads", test_heads},
        {"an unsigned integer is written without needless zeros, and never as a negative one", test_unsigned},
        {"an element of another tag is refused and left where it is", test_tags},
        {"nothing is the same as nothing", test_same});
