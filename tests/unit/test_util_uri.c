/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/util/uri.c: RFC 7512 as far as it names tokens and objects, and nothing that could carry a PIN. */
#include "daemon/util/uri.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

static void test_all(void)
{
        static const char *const parts[URI_PARTS] = {[URI_TOKEN] = "The Token",
                [URI_SERIAL] = "0123",
                [URI_MANUFACTURER] = "a=b",
                [URI_MODEL] = "\xc3\xa4",
                [URI_SLOT_DESCRIPTION] = "s",
                [URI_SLOT_MANUFACTURER] = "m",
                [URI_LIBRARY_DESCRIPTION] = "y",
                [URI_LIBRARY_MANUFACTURER] = "x",
                [URI_LIBRARY_VERSION] = "1.2"};
        _cleanup_(uri_done) struct uri uri = {0};

        CU_ASSERT_EQUAL_FATAL(
                uri_parse(
                        "pkcs11:token=The%20Token;serial=0123;manufacturer=a=b;model=%C3%A4;object=CA%3aone;"
                        "id=%00%FFz;slot-id=42;x-der-tail=%00a;type=private;library-manufacturer=x;library-"
                        "description=y;"
                        "library-version=01.2;slot-description=s;slot-manufacturer=m",
                        &uri),
                0);
        for (size_t part = 0; part < URI_PARTS; part++)
                CU_ASSERT_STRING_EQUAL(uri.parts[part], parts[part]);
        CU_ASSERT_STRING_EQUAL(uri.object, "CA:one");
        CU_ASSERT_EQUAL(uri.id_length, 3);
        CU_ASSERT_EQUAL(memcmp(uri.id, "\x00\xffz", 3), 0);
        CU_ASSERT_EQUAL(uri.slot_id, 42);
        CU_ASSERT_EQUAL(uri.der_tail_length, 2);
        CU_ASSERT_EQUAL(memcmp(uri.der_tail, "\0a", 2), 0);
}

static void test_none(void)
{
        _cleanup_(uri_done) struct uri uri = {0};

        CU_ASSERT_EQUAL_FATAL(uri_parse("PKCS11:", &uri), 0);
        CU_ASSERT_PTR_NULL(uri.parts[URI_TOKEN]);
        CU_ASSERT_PTR_NULL(uri.object);
        CU_ASSERT_PTR_NULL(uri.id);
        CU_ASSERT_EQUAL(uri.slot_id, -1);
        CU_ASSERT_FALSE(uri_says_token(&uri));
}

/* Each text with what is said of it. */
static const struct {
        const char *text, *fault;
} bad[] = {
        {"", "does not begin with pkcs11:"},
        {"pkcs11", "does not begin"},
        {"http://x", "does not begin"},
        {"pkcs11:token", "byte 8 has no `=`"},
        {"pkcs11:token=a;1234", "byte 16 has no `=`"},
        {"pkcs11:=x", "byte 8 has no name"},
        {"pkcs11:token=a;", "semicolon"},
        {"pkcs11:;token=a", "byte 8 has no name"},
        {"pkcs11:token=a;;serial=b", "byte 16 has no name"},
        {"pkcs11:token=a;token=b", "token is given twice"},
        {"pkcs11:token=;token=", "token is given twice"},
        {"pkcs11:id=%01;id=%02", "id is given twice"},
        {"pkcs11:id=;id=", "id is given twice"},
        {"pkcs11:x-der-tail=a;x-der-tail=a", "x-der-tail is given twice"},
        {"pkcs11:object=a;object=a", "object is given twice"},
        {"pkcs11:slot-id=1;slot-id=1", "slot-id is given twice"},
        {"pkcs11:type=a;type=b", "type is given twice"},
        {"pkcs11:library-version=1;library-version=2", "library-version is given twice"},
        {"pkcs11:color=red", "color is not known"},
        {"pkcs11:token=t;x-vendor-1=v", "x-vendor-1 is not known"},
        {"pkcs11:Token=a", "Token is not known"},
        {"pkcs11:co\x1blor=red", "byte 8 has a name that is not of letters"},
        {"pkcs11:token=%", "token has a % without"},
        {"pkcs11:token=%4", "token has a % without"},
        {"pkcs11:token=%4;model=a", "token has a % without"},
        {"pkcs11:model=a;token=%zz", "token has a % without"},
        {"pkcs11:token=a b", "token has a character"},
        {"pkcs11:token=a#b", "token has a character"},
        {"pkcs11:slot-id=x", "slot-id must be a number"},
        {"pkcs11:slot-id=", "slot-id must be a number"},
        {"pkcs11:slot-id=-1", "slot-id must be a number"},
        {"pkcs11:slot-id=99999999999999999999", "slot-id must be a number"},
        {"pkcs11:slot-id=9223372036854775808", "slot-id must be a number"},
        {"pkcs11:slot-id=%31%00", "slot-id must be a number"},
        {"pkcs11:library-version=", "library-version must be a version"},
        {"pkcs11:library-version=1.", "library-version must be a version"},
        {"pkcs11:library-version=1.256", "library-version must be a version"},
        {"pkcs11:library-version=1.2.3", "library-version must be a version"},
        {"pkcs11:library-version=1%00", "library-version must be a version"},
        {"pkcs11:token=a?pin-value=1234", "query"},
        {"pkcs11:?pin-source=file:/x", "query"},
};

static void test_refused(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_(freep) char *fault = NULL;
                struct uri uri = {.slot_id = 7};
                int r = uri_parse(bad[i].text, &uri);

                if (r != -EINVAL)
                        printf("\naccepted: %s\n", bad[i].text);
                CU_ASSERT_EQUAL(r, -EINVAL);
                /* And the output is as it was. */
                CU_ASSERT_EQUAL(uri.slot_id, 7);
                CU_ASSERT_EQUAL_FATAL(uri_fault(bad[i].text, &fault), 0);
                if (!strstr(fault, bad[i].fault))
                        printf("\n%s: %s\n", bad[i].text, fault);
                CU_ASSERT_PTR_NOT_NULL(strstr(fault, bad[i].fault));
                CU_ASSERT_PTR_NULL(strstr(fault, "1234"));
        }
}

static void test_no_fault(void)
{
        char *fault = NULL;

        CU_ASSERT_EQUAL(uri_fault("pkcs11:token=t", &fault), 1);
        CU_ASSERT_PTR_NULL(fault);
}

static bool matches(const char *text, const struct uri_token *token)
{
        _cleanup_(uri_done) struct uri uri = {0};

        CU_ASSERT_EQUAL_FATAL(uri_parse(text, &uri), 0);
        return uri_matches_token(&uri, token);
}

static const struct uri_token example = {.parts = {[URI_TOKEN] = "t",
                                                 [URI_MANUFACTURER] = "m",
                                                 [URI_MODEL] = "Pr?f",
                                                 [URI_SLOT_DESCRIPTION] = "d",
                                                 [URI_LIBRARY_VERSION] = "2.6"},
        .slot_id = 3};

static void test_matches(void)
{
        static const char *const yes[] = {"pkcs11:", "pkcs11:token=t", "pkcs11:slot-id=3",
                "pkcs11:token=t;manufacturer=m;slot-id=3;slot-description=d;library-version=2.6"};
        static const char *const no[] = {"pkcs11:token=T", "pkcs11:token=tt", "pkcs11:token=t;manufacturer=n",
                "pkcs11:token=t;model=o", "pkcs11:token=t;slot-id=4", "pkcs11:token=t;slot-description=e",
                "pkcs11:token=t;slot-manufacturer=m", "pkcs11:token=t;library-version=2",
                "pkcs11:token=t;library-version=2.7", "pkcs11:token=t;library-manufacturer=m"};

        for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
                CU_ASSERT(matches(yes[i], &example));
        for (size_t i = 0; i < ARRAY_SIZE(no); i++)
                CU_ASSERT_FALSE(matches(no[i], &example));
}

/* As p11tool prints tokens whose fields are padded with NUL, empty or not of UTF-8. */
static void test_as_printed(void)
{
        static const char *const yes[] = {"pkcs11:token=t%00%00%00", "pkcs11:token=t%20%20",
                "pkcs11:token=t%20%00%20", "pkcs11:serial=", "pkcs11:serial=%20%20%20",
                "pkcs11:serial=%00%00", "pkcs11:model=Pr%FCf%00%00;manufacturer=m%00;serial=;token=t",
                "pkcs11:slot-manufacturer=;token=t"};
        static const char *const no[] = {"pkcs11:token=", "pkcs11:token=%20t", "pkcs11:token=t%00t",
                "pkcs11:token=t;manufacturer=", "pkcs11:token=t;serial=0"};

        for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
                CU_ASSERT(matches(yes[i], &example));
        for (size_t i = 0; i < ARRAY_SIZE(no); i++)
                CU_ASSERT_FALSE(matches(no[i], &example));
}

static void test_objects(void)
{
        static const struct {
                const char *text, *object;
        } labels[] = {{"pkcs11:object=k%00%00", "k"}, {"pkcs11:object=k%20", "k "}, {"pkcs11:object=%00", ""},
                {"pkcs11:object=", ""}, {"pkcs11:object=Pr%FCf", ""}, {"pkcs11:object=a%00b", ""}};

        for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
                _cleanup_(uri_done) struct uri uri = {0};

                CU_ASSERT_EQUAL_FATAL(uri_parse(labels[i].text, &uri), 0);
                CU_ASSERT_STRING_EQUAL(uri.object, labels[i].object);
        }
}

static bool agree(const char *text_a, const char *text_b)
{
        _cleanup_(uri_done) struct uri a = {0}, b = {0};

        CU_ASSERT_EQUAL_FATAL(uri_parse(text_a, &a), 0);
        CU_ASSERT_EQUAL_FATAL(uri_parse(text_b, &b), 0);
        return uri_may_agree(&a, &b);
}

static void test_agree(void)
{
        CU_ASSERT(agree("pkcs11:", "pkcs11:token=t"));
        CU_ASSERT(agree("pkcs11:token=t;serial=1", "pkcs11:token=t;model=m;slot-id=2"));
        CU_ASSERT_FALSE(agree("pkcs11:token=t;serial=1", "pkcs11:token=t;serial="));
        CU_ASSERT_FALSE(agree("pkcs11:slot-id=1", "pkcs11:slot-id=2"));
}

SUITE(util_uri, {"every attribute is decoded", test_all}, {"what is not given is not there", test_none},
        {"what is unknown, twice, badly written or a query is refused, with the attribute named",
                test_refused},
        {"nothing is said of a URI that is right", test_no_fault},
        {"a token matches if it is all that is asked for", test_matches},
        {"an empty value means an empty field, and padding means nothing", test_as_printed},
        {"an object's label gives the nickname that a key of that label has", test_objects},
        {"two URIs may mean one token unless they contradict each other", test_agree});
