/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/util/uri.c: RFC 7512 as far as it names tokens and objects, and nothing that could carry a PIN. */
#include "daemon/util/uri.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

static void test_all(void)
{
        _cleanup_(uri_done) struct uri uri = {0};

        CU_ASSERT_EQUAL_FATAL(
                uri_parse(
                        "pkcs11:token=The%20Token;serial=0123;manufacturer=a=b;model=%C3%A4;object=CA%3aone;"
                        "id=%00%FFz;slot-id=42;type=private;library-manufacturer=x;library-description=y;"
                        "library-version=1.2",
                        &uri),
                0);
        CU_ASSERT_STRING_EQUAL(uri.token, "The Token");
        CU_ASSERT_STRING_EQUAL(uri.serial, "0123");
        CU_ASSERT_STRING_EQUAL(uri.manufacturer, "a=b");
        CU_ASSERT_STRING_EQUAL(uri.model, "\xc3\xa4");
        CU_ASSERT_STRING_EQUAL(uri.object, "CA:one");
        CU_ASSERT_EQUAL(uri.id_length, 3);
        CU_ASSERT_EQUAL(memcmp(uri.id, "\x00\xffz", 3), 0);
        CU_ASSERT_EQUAL(uri.slot_id, 42);
}

static void test_none(void)
{
        _cleanup_(uri_done) struct uri uri = {0};

        CU_ASSERT_EQUAL_FATAL(uri_parse("PKCS11:", &uri), 0);
        CU_ASSERT_PTR_NULL(uri.token);
        CU_ASSERT_EQUAL(uri.slot_id, -1);
        CU_ASSERT_EQUAL(uri.id_length, 0);
}

static void test_refused(void)
{
        static const char *const bad[] = {"", "pkcs11", "http://x", "pkcs11:token",
                "pkcs11:token=", "pkcs11:=x", "pkcs11:token=a;", "pkcs11:;token=a",
                "pkcs11:token=a;;serial=b", "pkcs11:token=a;token=b", "pkcs11:id=%01;id=%02",
                "pkcs11:object=a;object=a", "pkcs11:slot-id=1;slot-id=1", "pkcs11:color=red",
                "pkcs11:Token=a", "pkcs11:type=a;type=b", "pkcs11:token=%", "pkcs11:token=%4",
                "pkcs11:token=%4;model=a", "pkcs11:token=%zz", "pkcs11:token=a%00b", "pkcs11:token=%00",
                "pkcs11:token=%ff", "pkcs11:slot-id=x", "pkcs11:slot-id=-1",
                "pkcs11:slot-id=99999999999999999999", "pkcs11:slot-id=%31%00",
                "pkcs11:token=a?pin-value=1234", "pkcs11:?pin-source=file:/x", "pkcs11:token=a b",
                "pkcs11:token=a#b", "pkcs11:library-version=1;library-version=2"};

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                struct uri uri = {.slot_id = 7};
                int r = uri_parse(bad[i], &uri);

                if (r != -EINVAL)
                        printf("\naccepted: %s\n", bad[i]);
                CU_ASSERT_EQUAL(r, -EINVAL);
                /* And the output is as it was. */
                CU_ASSERT_EQUAL(uri.slot_id, 7);
        }
}

static void test_matches(void)
{
        _cleanup_(uri_done) struct uri uri = {0};

        CU_ASSERT_EQUAL_FATAL(uri_parse("pkcs11:token=t;serial=1;manufacturer=m;model=o;slot-id=3", &uri), 0);
        CU_ASSERT(uri_matches_token(&uri, "t", "1", "m", "o", 3));
        CU_ASSERT_FALSE(uri_matches_token(&uri, "T", "1", "m", "o", 3));
        CU_ASSERT_FALSE(uri_matches_token(&uri, "t", "2", "m", "o", 3));
        CU_ASSERT_FALSE(uri_matches_token(&uri, "t", "1", "n", "o", 3));
        CU_ASSERT_FALSE(uri_matches_token(&uri, "t", "1", "m", "p", 3));
        CU_ASSERT_FALSE(uri_matches_token(&uri, "t", "1", "m", "o", 4));
        CU_ASSERT_FALSE(uri_matches_token(&uri, NULL, "1", "m", "o", 3));
        uri_done(&uri);
        CU_ASSERT_EQUAL_FATAL(uri_parse("pkcs11:", &uri), 0);
        CU_ASSERT(uri_matches_token(&uri, "t", NULL, NULL, NULL, 0));
}

SUITE(util_uri, {"every attribute is decoded", test_all}, {"what is not given is not there", test_none},
        {"what is unknown, empty, twice, badly escaped or a query is refused", test_refused},
        {"a token matches where it is all that is asked for", test_matches});
