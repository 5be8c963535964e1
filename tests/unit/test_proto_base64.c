/* SPDX-License-Identifier: MPL-2.0 */
/* proto/base64.c against the vectors of RFC 4648, section 10, and texts that are nearly base64. */
#include "proto/base64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static void test_vectors(void)
{
        static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};

        for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
                const char *plain = vectors[i][0], *text = vectors[i][1];
                unsigned char *bytes = NULL;
                size_t length = 99;
                char encoded[16];

                base64_encode(plain, strlen(plain), encoded);
                CU_ASSERT_STRING_EQUAL(encoded, text);
                CU_ASSERT_EQUAL(BASE64_LENGTH(strlen(plain)), strlen(text));
                CU_ASSERT_EQUAL_FATAL(base64_decode(text, strlen(text), &bytes, &length), 0);
                CU_ASSERT_EQUAL(length, strlen(plain));
                CU_ASSERT_STRING_EQUAL((char *)bytes, plain);
                free(bytes);
        }
}

static void test_all_bytes(void)
{
        unsigned char all[256], *bytes;
        char text[BASE64_LENGTH(sizeof(all)) + 1];

        for (unsigned i = 0; i < sizeof(all); i++)
                all[i] = (unsigned char)(i * 167);
        for (size_t n = 0; n <= sizeof(all); n++) {
                size_t length = 0;

                base64_encode(all, n, text);
                CU_ASSERT_EQUAL(strlen(text), BASE64_LENGTH(n));
                CU_ASSERT_EQUAL_FATAL(base64_decode(text, strlen(text), &bytes, &length), 0);
                CU_ASSERT_EQUAL(length, n);
                CU_ASSERT_EQUAL(memcmp(bytes, all, n), 0);
                free(bytes);
        }
}

static void test_refused(void)
{
        static const char *const texts[] = {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=",
                "=g==", "Zg==Zg==", "Zm9=Zm9v", "Zm9v\n", "Zm9\n", " m9v", "Zm-_", "Zh==", "Zm9=", "Zg=g",
                "Zm9v=", "Zm\x80v", "Zm9vZ"};

        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                unsigned char *bytes = NULL;
                size_t length;

                CU_ASSERT_EQUAL(base64_decode(texts[i], strlen(texts[i]), &bytes, &length), -EINVAL);
                CU_ASSERT_PTR_NULL(bytes);
        }
}

SUITE(proto_base64, {"the vectors of RFC 4648 hold", test_vectors},
        {"all lengths and bytes survive", test_all_bytes},
        {"what is not canonical base64 is refused", test_refused});
