/* SPDX-License-Identifier: MPL-2.0 */
/* What is read of one object of a token: labels, ids and points as tokens have them. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/worker/core/object.h"
#include "tests/unit/suite.h"

/* ---- the module: one object ---- */

struct value {
        CK_ATTRIBUTE_TYPE type;
        const void *bytes;
        size_t length;
};

static struct value values[16]; /* what is not here the token does not know */
static bool stops;              /* at the first attribute that it cannot give */

static CK_RV give(CK_ATTRIBUTE *attribute)
{
        for (size_t i = 0; i < ARRAY_SIZE(values) && values[i].bytes; i++) {
                if (values[i].type != attribute->type)
                        continue;
                if (attribute->pValue && values[i].length > attribute->ulValueLen) {
                        attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                        return CKR_BUFFER_TOO_SMALL;
                }
                if (attribute->pValue)
                        memcpy(attribute->pValue, values[i].bytes, values[i].length);
                attribute->ulValueLen = values[i].length;
                return CKR_OK;
        }
        attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return CKR_ATTRIBUTE_TYPE_INVALID;
}

static CK_RV get_attributes(
        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
        CK_RV rv = CKR_OK;

        for (CK_ULONG i = 0; i < n && (rv == CKR_OK || !stops); i++) {
                CK_RV one = give(&attributes[i]);

                if (one != CKR_OK)
                        rv = one;
        }
        return rv;
}

static CK_FUNCTION_LIST functions = {.C_GetAttributeValue = get_attributes};
static struct slot_token token = {.p11 = &functions};

static void set(CK_ATTRIBUTE_TYPE type, const void *bytes, size_t length)
{
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                if (!values[i].bytes || values[i].type == type) {
                        values[i] = (struct value){type, bytes, length};
                        return;
                }
}

/* A P-256 key with an id and a label. */
static void begin(void)
{
        static const CK_KEY_TYPE type = CKK_EC;
        static const uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

        memset(values, 0, sizeof(values));
        set(CKA_KEY_TYPE, &type, sizeof(type));
        set(CKA_EC_PARAMS, p256, sizeof(p256));
        set(CKA_ID, "\1", 1);
        set(CKA_LABEL, "k", 1);
}

static void forget(CK_ATTRIBUTE_TYPE type)
{
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                if (values[i].type == type)
                        values[i].type = CKA_VENDOR_DEFINED;
}

static struct object *read_it(CK_OBJECT_CLASS class)
{
        struct session session = {.token = &token, .handle = 1};
        struct object *object = NULL;

        CU_ASSERT_EQUAL_FATAL(object_read(&session, class, 7, &object), 0);
        return object;
}

/* ---- the tests ---- */

static void test_labels(void)
{
        static const struct {
                const char *label;
                size_t length, expected;
        } labels[] = {{"k\0", 2, 1}, {"field\0\0\0\0\0\0\0\0\0", 14, 5}, {"nul\0in", 6, 6}, {"blank ", 6, 6},
                {"\0\0", 2, 0}, {"", 0, 0}};

        for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
                _cleanup_(object_freep) struct object *object = NULL;

                begin();
                set(CKA_LABEL, labels[i].label, labels[i].length);
                object = read_it(CKO_PRIVATE_KEY);
                CU_ASSERT_EQUAL(object->label_length, labels[i].expected);
                CU_ASSERT_EQUAL(memcmp(object->label, labels[i].label, labels[i].expected), 0);
                CU_ASSERT_EQUAL(object->label[labels[i].expected], '\0');
        }
}

static void check_unknown(void)
{
        _cleanup_(object_freep) struct object *no_label = NULL, *no_id = NULL;

        begin();
        forget(CKA_LABEL);
        no_label = read_it(CKO_PRIVATE_KEY);
        CU_ASSERT_EQUAL(no_label->label_length, 0);
        CU_ASSERT_EQUAL(no_label->id_length, 1);
        CU_ASSERT_TRUE(no_label->listable);
        begin();
        forget(CKA_ID);
        no_id = read_it(CKO_PRIVATE_KEY);
        CU_ASSERT_EQUAL(no_id->id_length, 0);
        CU_ASSERT_EQUAL(no_id->label_length, 1);
        CU_ASSERT_TRUE(no_id->listable);
}

/* A label that is too long is there, but cannot be a nickname; an id that is too long is not cut. */
static void check_too_long(void)
{
        static const char bytes[4096];
        _cleanup_(object_freep) struct object *label = NULL, *id = NULL;

        begin();
        set(CKA_LABEL, bytes, sizeof(bytes));
        label = read_it(CKO_PRIVATE_KEY);
        CU_ASSERT_EQUAL(label->label_length, 1);
        CU_ASSERT_EQUAL(label->label[0], '\x01');
        CU_ASSERT_TRUE(label->listable);
        begin();
        set(CKA_ID, bytes, sizeof(bytes));
        id = read_it(CKO_PRIVATE_KEY);
        CU_ASSERT_FALSE(id->listable);
}

static void test_not_read(void)
{
        for (unsigned i = 0; i < 2; i++) {
                stops = i > 0;
                check_unknown();
                check_too_long();
        }
        stops = false;
}

static void check_point(const void *point, size_t length)
{
        _cleanup_(object_freep) struct object *object = NULL;

        begin();
        set(CKA_EC_POINT, point, length);
        object = read_it(CKO_PUBLIC_KEY);
        CU_ASSERT_EQUAL(object->der_length, 91);
        CU_ASSERT_PTR_NOT_NULL_FATAL(object->der);
        CU_ASSERT_EQUAL(object->der[26], 0x04);
}

static void test_points(void)
{
        /* The generator of P-256: SEC 2, 2.4.2. */
        static const uint8_t plain[] = "\x03\x42\x00\x04"
                                       "\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2"
                                       "\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96"
                                       "\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16"
                                       "\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";
        uint8_t compressed[35] = {0x04, 33, 0x03};

        memcpy(compressed + 3, plain + 4, 32);
        check_point(plain, 68);
        check_point(plain + 3, 65);
        check_point(compressed, 35);
        check_point(compressed + 2, 33);
}

SUITE(worker_object, {"the NULs at the end of a label are not part of it", test_labels},
        {"what a token does not know is not taken for too long", test_not_read},
        {"a public key is known whose point is in a BIT STRING or compressed", test_points});
