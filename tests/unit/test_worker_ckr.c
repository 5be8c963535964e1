/* SPDX-License-Identifier: MPL-2.0 */
/* The one table of CK_RV, against NSS's header. */
#include <nss/pkcs11.h>
#include <string.h>

#include "daemon/util/ckr.h"
#include "tests/unit/suite.h"

#define NAMED(name) CU_ASSERT_STRING_EQUAL(ckr_name(name), #name)

static void test_names(void)
{
        NAMED(CKR_OK);
        NAMED(CKR_GENERAL_ERROR);
        NAMED(CKR_FUNCTION_FAILED);
        NAMED(CKR_DEVICE_ERROR);
        NAMED(CKR_DEVICE_MEMORY);
        NAMED(CKR_DEVICE_REMOVED);
        NAMED(CKR_KEY_HANDLE_INVALID);
        NAMED(CKR_KEY_FUNCTION_NOT_PERMITTED);
        NAMED(CKR_MECHANISM_INVALID);
        NAMED(CKR_OBJECT_HANDLE_INVALID);
        NAMED(CKR_PIN_INCORRECT);
        NAMED(CKR_PIN_LOCKED);
        NAMED(CKR_SESSION_CLOSED);
        NAMED(CKR_SESSION_COUNT);
        NAMED(CKR_SESSION_HANDLE_INVALID);
        NAMED(CKR_TOKEN_NOT_PRESENT);
        NAMED(CKR_TOKEN_NOT_RECOGNIZED);
        NAMED(CKR_USER_NOT_LOGGED_IN);
        NAMED(CKR_BUFFER_TOO_SMALL);
        NAMED(CKR_CRYPTOKI_NOT_INITIALIZED);
        NAMED(CKR_FUNCTION_REJECTED);
        CU_ASSERT_PTR_NULL(ckr_name(0x80000001U));
        CU_ASSERT_PTR_NULL(ckr_name(UINT64_MAX));
}

static void check_class(const CK_RV *ckrs, size_t n, enum ckr_class class)
{
        for (size_t i = 0; i < n; i++)
                CU_ASSERT_EQUAL(ckr_class(ckrs[i]), class);
}

static void test_classes(void)
{
        /* The table of docs/lifecycle.md, row by row. */
        static const CK_RV request[] = {CKR_MECHANISM_INVALID, CKR_DATA_LEN_RANGE,
                CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_ARGUMENTS_BAD, CKR_VENDOR_DEFINED | 1, 0x7fffffff};
        static const CK_RV session[] = {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED,
                CKR_USER_NOT_LOGGED_IN, CKR_OBJECT_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID,
                CKR_OPERATION_ACTIVE};
        static const CK_RV busy[] = {CKR_SESSION_COUNT, CKR_DEVICE_MEMORY, CKR_HOST_MEMORY};
        static const CK_RV device[] = {CKR_DEVICE_ERROR, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT,
                CKR_TOKEN_NOT_RECOGNIZED, CKR_GENERAL_ERROR, CKR_CRYPTOKI_NOT_INITIALIZED};
        static const CK_RV pin[] = {CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_PIN_EXPIRED};

        CU_ASSERT_EQUAL(ckr_class(CKR_OK), CKR_CLASS_OK);
        check_class(request, ARRAY_SIZE(request), CKR_CLASS_REQUEST);
        check_class(session, ARRAY_SIZE(session), CKR_CLASS_SESSION);
        check_class(busy, ARRAY_SIZE(busy), CKR_CLASS_BUSY);
        check_class(device, ARRAY_SIZE(device), CKR_CLASS_DEVICE);
        check_class(pin, ARRAY_SIZE(pin), CKR_CLASS_PIN);
}

static void test_text(void)
{
        char buffer[CKR_TEXT];

        CU_ASSERT_STRING_EQUAL(ckr_text(CKR_DEVICE_ERROR, buffer), "CKR_DEVICE_ERROR");
        CU_ASSERT_STRING_EQUAL(ckr_text(0x80000001U, buffer), "0x80000001");
        CU_ASSERT(strlen(ckr_text(UINT64_MAX, buffer)) < CKR_TEXT);
}

SUITE(worker_ckr, {"numbers have the names that NSS's header gives them", test_names},
        {"each is of the class that the design puts it in", test_classes},
        {"one without a name is shown as its number", test_text});
