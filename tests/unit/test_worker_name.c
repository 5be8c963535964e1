/* SPDX-License-Identifier: MPL-2.0 */
#include <stdlib.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/encoding/dn.h"
#include "tests/unit/suite.h"

/* The text that comes back; NULL: it does not parse. */
static const char *round_trip(const char *text)
{
        static char ret[DN_TEXT_MAX];
        uint8_t der[DN_DER_MAX];
        size_t length = 0;

        if (dn_from_text(text, der, &length) != 0)
                return NULL;
        return dn_to_text((struct der){der, length}, ret) ? ret : "no name";
}

static void a_subject_comes_back_as_it_was(void)
{
        static const char *const texts[] = {
                "CN=CA Signing Certificate,O=EXAMPLE",
                "CN=a,OU=b,O=c,L=d,ST=e,C=DE",
                "UID=jdoe,DC=example,DC=com",
                "emailAddress=a@b.example,CN=x",
                "CN=Zo\xc3\xab \xe6\xbc\xa2 \xf0\x9f\x94\x91,O=caf\xc3\xa9",
                "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h,O==x",
                "CN=\\ leading and trailing\\ ,O=\\#1",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                CU_ASSERT_STRING_EQUAL(round_trip(texts[i]), texts[i]);
}

static void what_may_be_written_otherwise_is_written_one_way(void)
{
        CU_ASSERT_STRING_EQUAL(round_trip("cn=x, o=y"), "CN=x,O=y");
        CU_ASSERT_STRING_EQUAL(round_trip("CN=\\4c\\c3\\ab"), "CN=L\xc3\xab");
        CU_ASSERT_STRING_EQUAL(round_trip("E=a@b"), "emailAddress=a@b");
        CU_ASSERT_STRING_EQUAL(round_trip("2.5.4.3=x"), "CN=x");
        CU_ASSERT_STRING_EQUAL(
                round_trip("1.3.6.1.4.1.311.60.2.1.3=DE"), "1.3.6.1.4.1.311.60.2.1.3=#13024445");
}

static void the_order_of_the_text_is_the_reverse_of_der(void)
{
        static const uint8_t want[] = {0x30, 0x1a, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13,
                0x02, 'D', 'E', 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x03, 0x13, 0x02, 'a', 'b'};
        uint8_t der[DN_DER_MAX];
        size_t length = 0;

        CU_ASSERT_EQUAL(dn_from_text("CN=ab,C=DE", der, &length), 0);
        CU_ASSERT_EQUAL(length, sizeof(want));
        CU_ASSERT_EQUAL(memcmp(der, want, sizeof(want)), 0);
}

static void the_values_of_one_part_are_in_the_order_of_der(void)
{
        CU_ASSERT_STRING_EQUAL(round_trip("UID=1+CN=b,O=x"), round_trip("CN=b+UID=1,O=x"));
        CU_ASSERT_STRING_EQUAL(round_trip("UID=1+CN=b,O=x"), "CN=b+UID=1,O=x");
}

static void what_is_no_subject_is_refused(void)
{
        static const char *const texts[] = {"", " ", "x", "CN", "CN=", "=x", "CN=a,", ",CN=a", "CN=a,,O=b",
                "CN=a+", "CN=a;O=b", "CN=\"a\"", "CN=a<b", "CN= a", "CN=a ", "CN=a ,O=b", "CN=#414243",
                "CN=\\", "CN=\\4", "CN=\\zz", "CN =a", "XX=a", "1=a", "3.1=a", "1.40=a", "1.02=a", "1..2=a",
                "1.99999999999=a", "CN=a\nb", "CN=a\\0ab", "CN=a\\00b", "CN=\x7f", "CN=\xc2\x85", "CN=\xff",
                "CN=\\ff", "C=D", "C=DEU", "C=1D", "DC=\xc3\xa9", "emailAddress=\xc3\xa9",
                "serialNumber=a@b"};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (round_trip(texts[i]))
                        CU_FAIL_FATAL(texts[i]);
}

static void a_known_type_by_its_oid_is_held_to_the_same(void)
{
        CU_ASSERT_STRING_EQUAL(round_trip("2.5.4.6=DE"), "C=DE");
        CU_ASSERT_PTR_NULL(round_trip("2.5.4.6=DEU"));
        CU_ASSERT_PTR_NULL(round_trip("0.9.2342.19200300.100.1.25=caf\xc3\xa9"));
        CU_ASSERT_PTR_NULL(round_trip("1.2.840.113549.1.9.1=\xc3\xa9"));
}

static void a_value_has_as_many_characters_as_its_type_allows(void)
{
        char text[DN_TEXT_MAX] = "CN=";

        for (size_t i = 0; i < 64; i++)
                strcat(text, "\xc3\xa9");
        CU_ASSERT_STRING_EQUAL(round_trip(text), text);
        strcat(text, "x");
        CU_ASSERT_PTR_NULL(round_trip(text));
}

static void a_subject_has_at_most_1023_bytes(void)
{
        char text[2 * DN_TEXT_MAX] = "L=x";

        while (strlen(text) + 4 < DN_TEXT_MAX)
                strcat(text, ",L=x");
        CU_ASSERT_EQUAL(strlen(text), DN_TEXT_MAX - 1);
        CU_ASSERT_PTR_NOT_NULL(round_trip(text));
        strcat(text, "y");
        CU_ASSERT_PTR_NULL(round_trip(text));
}

/* A Name of one CN of this string type and these bytes. */
static bool show(uint8_t tag, const char *value, size_t length, char ret[static DN_TEXT_MAX])
{
        uint8_t der[4096];
        size_t string = der_head(NULL, tag, length) + length, attribute = 5 + string,
               sequence = der_head(NULL, 0x30, attribute) + attribute,
               set = der_head(NULL, 0x31, sequence) + sequence, at = der_head(der, 0x30, set);

        at += der_head(der + at, 0x31, sequence);
        at += der_head(der + at, 0x30, attribute);
        memcpy(der + at, "\x06\x03\x55\x04\x03", 5);
        at += 5;
        at += der_head(der + at, tag, length);
        memcpy(der + at, value, length);
        return dn_to_text((struct der){der, at + length}, ret);
}

static void hostile_values_are_shown_as_harmless_text(void)
{
        char text[DN_TEXT_MAX];

        CU_ASSERT(show(0x0c, "a\0b\n\x7f", 5, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=a\\00b\\0a\\7f");
        CU_ASSERT(show(0x0c, "\xc2\x85", 2, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=\\c2\\85");
        CU_ASSERT(show(0x0c, "\xff", 1, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=#0c01ff");
        CU_ASSERT(show(0x13, "\xe9", 1, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=#1301e9");
        CU_ASSERT(show(0x14, "\xe9", 1, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=\xc3\xa9");
        CU_ASSERT(show(0x1e, "\0a\x6f\x22", 4, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=a\xe6\xbc\xa2");
        CU_ASSERT(show(0x1e, "\xd8\x00", 2, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=#1e02d800");
        CU_ASSERT(show(0x1e, "a", 1, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=#1e0161");
        CU_ASSERT(show(0x04, "a", 1, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=#040161");
        CU_ASSERT(show(0x0c, "", 0, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=");
        CU_ASSERT(show(0x0c, ", ", 2, text));
        CU_ASSERT_STRING_EQUAL(text, "CN=\\,\\ ");
}

static void what_is_long_is_cut_at_a_character(void)
{
        char value[3000], text[DN_TEXT_MAX];

        for (size_t i = 0; i < sizeof(value); i += 3)
                memcpy(value + i, "\xe6\xbc\xa2", 3);
        CU_ASSERT(show(0x0c, value, sizeof(value), text));
        CU_ASSERT(strlen(text) < DN_TEXT_MAX && strlen(text) > DN_TEXT_MAX - 16);
        CU_ASSERT(text_is_utf8(text, strlen(text)));
        CU_ASSERT_STRING_EQUAL(text + strlen(text) - 3, "...");
        CU_ASSERT(show(0x04, value, sizeof(value), text));
        CU_ASSERT_STRING_EQUAL(text + strlen(text) - 3, "...");
}

static void no_name_is_read_beyond_its_end(void)
{
        uint8_t der[DN_DER_MAX];
        char text[DN_TEXT_MAX];
        size_t length = 0;

        CU_ASSERT_EQUAL(dn_from_text("CN=a+UID=b,OU=c,1.2.3=d,C=DE", der, &length), 0);
        for (size_t n = 0; n < length; n++) {
                uint8_t *part = malloc(n + 1);
                memcpy(part, der, n);
                CU_ASSERT_FALSE(dn_to_text((struct der){part, n}, text));
                free(part);
        }
        /* And nothing that a flipped bit makes of it is text that is none. */
        for (size_t bit = 0; bit < 8 * length; bit++) {
                uint8_t *other = malloc(length);
                memcpy(other, der, length);
                other[bit / 8] ^= (uint8_t)(1U << bit % 8);
                if (dn_to_text((struct der){other, length}, text))
                        CU_ASSERT(text_is_utf8(text, strlen(text)));
                free(other);
        }
}

SUITE(worker_name, {"a subject comes back as it was", a_subject_comes_back_as_it_was},
        {"what may be written otherwise is written one way",
                what_may_be_written_otherwise_is_written_one_way},
        {"the order of the text is the reverse of der", the_order_of_the_text_is_the_reverse_of_der},
        {"the values of one part are in the order of der", the_values_of_one_part_are_in_the_order_of_der},
        {"what is no subject is refused", what_is_no_subject_is_refused},
        {"a known type by its OID is held to what holds for its name",
                a_known_type_by_its_oid_is_held_to_the_same},
        {"a value has as many characters as its type allows",
                a_value_has_as_many_characters_as_its_type_allows},
        {"a subject has at most 1023 bytes", a_subject_has_at_most_1023_bytes},
        {"hostile values are shown as harmless text", hostile_values_are_shown_as_harmless_text},
        {"what is long is cut at a character", what_is_long_is_cut_at_a_character},
        {"no name is read beyond its end", no_name_is_read_beyond_its_end});
