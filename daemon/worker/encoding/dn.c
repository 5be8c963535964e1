/* SPDX-License-Identifier: MPL-2.0 */
/* See dn.h: the types, and the way from text to DER. dn-text.c is the way back. */
#include "daemon/worker/encoding/dn.h"

#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/utf8.h"

/* Attributes of one RDN; one is usual, two are rare. */
#define RDN_MAX 8U

/* A buffer that is filled from its end, so that a length is known when it is written. */
struct back {
        uint8_t *data;
        size_t at, size;
};

struct rdn {
        struct der parts[RDN_MAX]; /* whole elements within back */
        size_t n;
};

/* clang-format off */
const struct dn_type dn_types[] = {
        {"CN", {0x55, 4, 3}, 3, 64, 0},
        {"sn", {0x55, 4, 4}, 3, 64, 0},
        {"serialNumber", {0x55, 4, 5}, 3, 64, DER_TAG_PRINTABLE_STRING},
        {"C", {0x55, 4, 6}, 3, 2, DER_TAG_PRINTABLE_STRING},
        {"L", {0x55, 4, 7}, 3, 128, 0},
        {"ST", {0x55, 4, 8}, 3, 128, 0},
        {"STREET", {0x55, 4, 9}, 3, 128, 0},
        {"O", {0x55, 4, 10}, 3, 64, 0},
        {"OU", {0x55, 4, 11}, 3, 64, 0},
        {"title", {0x55, 4, 12}, 3, 64, 0},
        {"businessCategory", {0x55, 4, 15}, 3, 128, 0},
        {"postalCode", {0x55, 4, 17}, 3, 40, 0},
        {"givenName", {0x55, 4, 42}, 3, 64, 0},
        {"initials", {0x55, 4, 43}, 3, 64, 0},
        {"generationQualifier", {0x55, 4, 44}, 3, 64, 0},
        {"dnQualifier", {0x55, 4, 46}, 3, 64, DER_TAG_PRINTABLE_STRING},
        {"organizationIdentifier", {0x55, 4, 97}, 3, 256, 0},
        {"UID", {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1}, 10, 256, 0},
        {"DC", {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25}, 10, 63, DER_TAG_IA5_STRING},
        {"emailAddress", {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, 255, DER_TAG_IA5_STRING},
        /* Other names that are accepted; the first name of an OID is the one that is written. */
        {"E", {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, 255, DER_TAG_IA5_STRING},
        {"S", {0x55, 4, 8}, 3, 128, 0},
        {NULL, {0}, 0, 0, 0},
};
/* clang-format on */

static void put(struct back *back, const void *bytes, size_t n)
{
        /* Without room nothing more is put: at is 0 from then on. */
        if (n > back->at) {
                back->at = 0;
                return;
        }
        back->at -= n;
        memcpy(back->data + back->at, bytes, n);
}

/* Puts the tag and length of what was put since back->at was end. */
static void wrap(struct back *back, uint8_t tag, size_t end)
{
        uint8_t head[8];
        size_t length = end - back->at;

        put(back, head, der_head(head, tag, length));
}

/* ---- a type ---- */

static bool is_letter(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* One arc of a dotted OID, without leading zeros. */
static bool take_arc(const char **text, uint32_t *ret)
{
        const char *at = *text;
        uint64_t value = 0;

        if (!is_digit(*at) || (*at == '0' && is_digit(at[1])))
                return false;
        for (; is_digit(*at); at++) {
                value = value * 10 + (uint64_t)(*at - '0');
                if (value > UINT32_MAX / 2)
                        return false;
        }
        *text = at;
        *ret = (uint32_t)value;
        return true;
}

static bool put_arc(uint32_t value, struct dn_type *type)
{
        unsigned shift = 28;

        while (shift > 0 && value >> shift == 0)
                shift -= 7;
        for (;; shift -= 7) {
                if (type->length == sizeof(type->oid))
                        return false;
                type->oid[type->length++] = (uint8_t)((value >> shift & 0x7f) | (shift > 0 ? 0x80 : 0));
                if (shift == 0)
                        return true;
        }
}

static bool take_oid(const char **text, struct dn_type *type)
{
        uint32_t first, arc;
        size_t n = 1;

        if (!take_arc(text, &first) || first > 2)
                return false;
        for (; **text == '.'; n++) {
                (*text)++;
                if (!take_arc(text, &arc) || (n == 1 && first < 2 && arc > 39) ||
                        !put_arc(n == 1 ? first * 40 + arc : arc, type))
                        return false;
        }
        return n >= 2;
}

/* A known type that is given by its OID follows the same rules as by its name. */
static void find_oid(struct dn_type *type)
{
        for (const struct dn_type *known = dn_types; known->name; known++)
                if (known->length == type->length && memcmp(known->oid, type->oid, known->length) == 0) {
                        *type = *known;
                        return;
                }
        type->max = DN_TEXT_MAX;
}

static bool take_type(const char **text, struct dn_type *ret)
{
        const char *begin = *text, *end = begin;

        *ret = (struct dn_type){0};
        if (is_digit(*begin)) {
                if (!take_oid(text, ret) || **text != '=')
                        return false;
                find_oid(ret);
                return true;
        }
        while (is_letter(*end) || is_digit(*end) || *end == '-')
                end++;
        if (*end != '=')
                return false;
        *text = end;
        for (const struct dn_type *type = dn_types; type->name; type++)
                if (strlen(type->name) == (size_t)(end - begin) &&
                        strncasecmp(type->name, begin, (size_t)(end - begin)) == 0) {
                        *ret = *type;
                        return true;
                }
        return false;
}

/* ---- a value ---- */

/* A backslash, and the character that it stands for. */
static bool take_escape(const char **text, char *ret)
{
        const char *at = *text + 1;

        if (text_unhex(at, 1, ret)) {
                *text = at + 2;
                return true;
        }
        if (!*at || !strchr("\\\"+,;<>= #", *at))
                return false;
        *text = at + 1;
        *ret = *at;
        return true;
}

/* A string value, up to what ends it. ret holds DN_TEXT_MAX bytes, more than the text has. */
static bool take_string(const char **text, char *ret, size_t *ret_length)
{
        const char *at = *text;
        size_t n = 0;

        if (*at == ' ' || *at == '#')
                return false;
        while (*at && *at != ',' && *at != '+') {
                if (strchr("\";<>", *at))
                        return false;
                if (*at == '\\') {
                        if (!take_escape(&at, &ret[n++]))
                                return false;
                        continue;
                }
                /* A blank at the end must be escaped. */
                if (*at == ' ' && (at[1] == '\0' || at[1] == ',' || at[1] == '+'))
                        return false;
                ret[n++] = *at++;
        }
        *text = at;
        *ret_length = n;
        return true;
}

static bool is_printable_string(const char *value, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (!is_letter(value[i]) && !is_digit(value[i]) &&
                        !(value[i] && strchr(" '()+,-./:=?", value[i])))
                        return false;
        return true;
}

static bool is_ascii(const char *value, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if ((unsigned char)value[i] >= 0x80)
                        return false;
        return true;
}

/* How many characters the value has. false: one of them is a control character, or the bytes are not
 * UTF-8. */
static bool count_characters(const char *value, size_t length, size_t *ret)
{
        uint32_t point;
        size_t count = 0;

        for (size_t i = 0, n; i < length; i += n, count++) {
                n = utf8_decode(value + i, length - i, &point);
                if (n == 0 || utf8_is_control(point))
                        return false;
        }
        *ret = count;
        return true;
}

static int check_value(const struct dn_type *type, const char *value, size_t length)
{
        size_t characters;

        if (length == 0)
                return DN_EMPTY_VALUE;
        if (!count_characters(value, length, &characters))
                return DN_BAD_CHARACTER;
        if (characters > type->max)
                return DN_LONG_VALUE;
        if (type->tag == DER_TAG_PRINTABLE_STRING && !is_printable_string(value, length))
                return DN_FORBIDDEN_CHARACTER;
        if (type->tag == DER_TAG_IA5_STRING && !is_ascii(value, length))
                return DN_FORBIDDEN_CHARACTER;
        if (type->max == 2 && (length != 2 || !is_letter(value[0]) || !is_letter(value[1])))
                return DN_COUNTRY;
        return 0;
}

/* type=value as SEQUENCE { OID, string }. */
static int take_attribute(const char **text, struct back *back)
{
        struct dn_type type;
        char value[DN_TEXT_MAX];
        size_t length, end = back->at, part;
        uint8_t tag;
        int r;

        while (**text == ' ')
                (*text)++;
        if (!take_type(text, &type))
                return DN_UNKNOWN_TYPE;
        (*text)++;
        if (**text == '#')
                return DN_HEXADECIMAL;
        if (!take_string(text, value, &length))
                return DN_SYNTAX;
        r = check_value(&type, value, length);
        if (r != 0)
                return r;
        tag = type.tag                             ? type.tag
              : is_printable_string(value, length) ? DER_TAG_PRINTABLE_STRING
                                                   : DER_TAG_UTF8_STRING;
        put(back, value, length);
        wrap(back, tag, end);
        part = back->at;
        put(back, type.oid, type.length);
        wrap(back, DER_TAG_OID, part);
        wrap(back, DER_TAG_SEQUENCE, end);
        return 0;
}

/* ---- the whole ---- */

const char *dn_fault_text(enum dn_fault fault)
{
        static const char *const texts[DN_FAULT_MAX_] = {
                [DN_EMPTY] = "the subject is empty",
                [DN_TOO_LONG] = "the subject is too long",
                [DN_UNKNOWN_TYPE] = "expected parts as in CN=NAME,O=NAME,C=DE (RFC 4514)",
                [DN_HEXADECIMAL] = "values in hexadecimal are not supported",
                [DN_SYNTAX] = "a value is not written as in RFC 4514",
                [DN_EMPTY_VALUE] = "a value is empty",
                [DN_BAD_CHARACTER] = "a value contains a control character or is not UTF-8",
                [DN_LONG_VALUE] = "a value is longer than its type allows (a country has two letters)",
                [DN_FORBIDDEN_CHARACTER] = "a value contains a character that its type does not allow",
                [DN_COUNTRY] = "a country must be two letters",
                [DN_MANY_VALUES] = "too many values in one part",
        };

        return texts[fault];
}

/* The order that DER demands of a SET OF: by bytes; if one begins with the other, the shorter first. */
static int order_parts(const void *x, const void *y)
{
        const struct der *a = x, *b = y;
        int order = memcmp(a->data, b->data, MIN_OF(a->length, b->length));

        return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* The parts lie in back one before the other, from end down. This puts them in DER's order. */
static void sort_rdn(struct back *back, struct rdn *rdn, size_t end)
{
        uint8_t sorted[DN_DER_MAX];
        size_t at = 0;

        if (back->at == 0 || rdn->n < 2)
                return;
        qsort(rdn->parts, rdn->n, sizeof(rdn->parts[0]), order_parts);
        for (size_t i = 0; i < rdn->n; i++) {
                memcpy(sorted + at, rdn->parts[i].data, rdn->parts[i].length);
                at += rdn->parts[i].length;
        }
        memcpy(back->data + end - at, sorted, at);
}

static int take_rdn(const char **text, struct back *back)
{
        struct rdn rdn = {.n = 0};
        size_t end = back->at;

        for (;;) {
                size_t before = back->at;
                int r = rdn.n == RDN_MAX ? DN_MANY_VALUES : take_attribute(text, back);

                if (r != 0)
                        return r;
                rdn.parts[rdn.n++] = (struct der){back->data + back->at, before - back->at};
                if (**text != '+')
                        break;
                (*text)++;
        }
        sort_rdn(back, &rdn, end);
        wrap(back, DER_TAG_SET, end);
        return 0;
}

int dn_from_text(const char *text, uint8_t ret[static DN_DER_MAX], size_t *ret_length)
{
        uint8_t data[DN_DER_MAX];
        struct back back = {data, sizeof(data), sizeof(data)};

        if (*text == '\0')
                return DN_EMPTY;
        if (strlen(text) >= DN_TEXT_MAX)
                return DN_TOO_LONG;
        /* The first part of the text is the last in DER, and what is last in DER is put first. */
        for (;;) {
                int r = take_rdn(&text, &back);

                if (r != 0)
                        return r;
                if (*text == '\0')
                        break;
                text++;
        }
        wrap(&back, DER_TAG_SEQUENCE, sizeof(data));
        if (back.at == 0)
                return DN_TOO_LONG;
        *ret_length = sizeof(data) - back.at;
        memcpy(ret, data + back.at, *ret_length);
        return 0;
}
