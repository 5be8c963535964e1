/* SPDX-License-Identifier: MPL-2.0 */
/* See dn.h: what types there are, and the way from text to DER. The way back is dn-text.c. */
#include "daemon/worker/encoding/dn.h"

#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/utf8.h"

/* Attributes of one RDN; one is usual, two are rare. */
#define RDN_MAX 8U

/* Written from its end to its beginning, so that a length is known when it is written. */
struct back {
        uint8_t *data;
        size_t at, size;
};

struct rdn {
        struct der parts[RDN_MAX]; /* in back, whole */
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
        /* Taken; what is written is the first of an OID. */
        {"E", {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, 255, DER_TAG_IA5_STRING},
        {"S", {0x55, 4, 8}, 3, 128, 0},
        {NULL, {0}, 0, 0, 0},
};
/* clang-format on */

static void put(struct back *back, const void *bytes, size_t n)
{
        /* Once there is no room nothing more is put, and at is 0 for good. */
        if (n > back->at) {
                back->at = 0;
                return;
        }
        back->at -= n;
        memcpy(back->data + back->at, bytes, n);
}

/* The head of what was put since the end was there. */
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

/* The type of an OID: a known one by its number is held to what holds for it by its name. */
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

/* A backslash and what it makes of itself. */
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

/* A string value up to what ends it. ret holds DN_TEXT_MAX bytes, which are more than the text has. */
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
                /* A blank at the end stands there escaped. */
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

/* How many characters the value has. false: one of them is a control character, or the bytes are not UTF-8. */
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

static const char *check_value(const struct dn_type *type, const char *value, size_t length)
{
        size_t characters;

        if (length == 0)
                return "a value is empty";
        if (!count_characters(value, length, &characters))
                return "a value has control characters in it, or is not UTF-8";
        if (characters > type->max)
                return "a value is too long for its type";
        if (type->tag == DER_TAG_PRINTABLE_STRING && !is_printable_string(value, length))
                return "a value has characters that its type does not allow";
        if (type->tag == DER_TAG_IA5_STRING && !is_ascii(value, length))
                return "a value has characters that its type does not allow";
        if (type->max == 2 && (length != 2 || !is_letter(value[0]) || !is_letter(value[1])))
                return "a country is two letters";
        return NULL;
}

/* type=value as SEQUENCE { OID, string }. */
static const char *take_attribute(const char **text, struct back *back)
{
        struct dn_type type;
        char value[DN_TEXT_MAX];
        size_t length, end = back->at, part;
        const char *wrong;
        uint8_t tag;

        while (**text == ' ')
                (*text)++;
        if (!take_type(text, &type))
                return "a type is none, or is not known";
        (*text)++;
        if (**text == '#')
                return "a value in hexadecimal is not taken";
        if (!take_string(text, value, &length))
                return "a value is not as RFC 4514 has it";
        wrong = check_value(&type, value, length);
        if (wrong)
                return wrong;
        tag = type.tag                             ? type.tag
              : is_printable_string(value, length) ? DER_TAG_PRINTABLE_STRING
                                                   : DER_TAG_UTF8_STRING;
        put(back, value, length);
        wrap(back, tag, end);
        part = back->at;
        put(back, type.oid, type.length);
        wrap(back, DER_TAG_OID, part);
        wrap(back, DER_TAG_SEQUENCE, end);
        return NULL;
}

/* ---- the whole ---- */

/* As DER orders a SET OF: by bytes, the shorter first where one begins the other. */
static int order_parts(const void *x, const void *y)
{
        const struct der *a = x, *b = y;
        int order = memcmp(a->data, b->data, MIN_OF(a->length, b->length));

        return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* The parts lie one before the other in back, from end down; they are put in DER's order. */
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

static const char *take_rdn(const char **text, struct back *back)
{
        struct rdn rdn = {.n = 0};
        size_t end = back->at;

        for (;;) {
                size_t before = back->at;
                const char *wrong =
                        rdn.n == RDN_MAX ? "too many values in one part" : take_attribute(text, back);

                if (wrong)
                        return wrong;
                rdn.parts[rdn.n++] = (struct der){back->data + back->at, before - back->at};
                if (**text != '+')
                        break;
                (*text)++;
        }
        sort_rdn(back, &rdn, end);
        wrap(back, DER_TAG_SET, end);
        return NULL;
}

const char *dn_from_text(const char *text, uint8_t ret[static DN_DER_MAX], size_t *ret_length)
{
        uint8_t data[DN_DER_MAX];
        struct back back = {data, sizeof(data), sizeof(data)};

        if (*text == '\0')
                return "it is empty";
        if (strlen(text) >= DN_TEXT_MAX)
                return "it is too long";
        /* The first of the text is the last in DER, which is what is put first. */
        for (;;) {
                const char *wrong = take_rdn(&text, &back);

                if (wrong)
                        return wrong;
                if (*text == '\0')
                        break;
                text++;
        }
        wrap(&back, DER_TAG_SEQUENCE, sizeof(data));
        if (back.at == 0)
                return "it is too long";
        *ret_length = sizeof(data) - back.at;
        memcpy(ret, data + back.at, *ret_length);
        return NULL;
}
