/* SPDX-License-Identifier: MPL-2.0 */
/* See dn.h: the way from DER to text. Somebody may have put a name on a token to deceive the people who read
 * it. */
#include <stdio.h>
#include <string.h>

#include "daemon/util/text.h"
#include "daemon/util/utf8.h"
#include "daemon/worker/encoding/dn.h"

/* Parts of a name that are shown: those that are last in DER, which are first in text. */
#define PARTS_MAX 64U

#define CUT "..."

struct dn_text {
        char *out;
        size_t at;
        bool cut;
};

/* A piece is a whole character or a whole escape, so that a text that is cut stays well-formed. */
static void put(struct dn_text *text, const char *piece, size_t length)
{
        if (text->cut || text->at + length + sizeof(CUT) > DN_TEXT_MAX) {
                text->cut = true;
                return;
        }
        memcpy(text->out + text->at, piece, length);
        text->at += length;
}

static void put_string(struct dn_text *text, const char *string)
{
        put(text, string, strlen(string));
}

/* ---- a type ---- */

static void put_oid(struct dn_text *text, struct der oid)
{
        uint64_t arc = 0;
        char piece[48];
        bool first = true;

        for (size_t i = 0; i < oid.length && !text->cut; i++) {
                arc = arc << 7 | (oid.data[i] & 0x7f);
                if (oid.data[i] & 0x80)
                        continue;
                if (first)
                        snprintf(piece, sizeof(piece), "%d.%llu", arc < 80 ? (int)(arc / 40) : 2,
                                (unsigned long long)(arc < 80 ? arc % 40 : arc - 80));
                else
                        snprintf(piece, sizeof(piece), ".%llu", (unsigned long long)arc);
                put_string(text, piece);
                first = false;
                arc = 0;
        }
}

/* Arcs of up to nine bytes, each in its shortest form. */
static bool is_oid(struct der oid)
{
        size_t begin = 0;

        for (size_t i = 0; i < oid.length; i++) {
                if (i == begin && oid.data[i] == 0x80)
                        return false;
                if (i - begin > 8)
                        return false;
                if (!(oid.data[i] & 0x80))
                        begin = i + 1;
        }
        return oid.length > 0 && begin == oid.length;
}

static const struct dn_type *find_type(struct der oid)
{
        for (const struct dn_type *type = dn_types; type->name; type++)
                if (type->length == oid.length && memcmp(type->oid, oid.data, oid.length) == 0)
                        return type;
        return NULL;
}

/* ---- a value ---- */

/* The next character of a string of this type. UTF-8 was checked before. */
static uint32_t next_character(uint8_t tag, struct der *in)
{
        size_t n = tag == DER_TAG_BMP_STRING ? 2 : tag == DER_TAG_UNIVERSAL_STRING ? 4 : 1;
        uint32_t c = 0;

        if (tag == DER_TAG_UTF8_STRING)
                n = utf8_decode((const char *)in->data, in->length, &c);
        else
                for (size_t i = 0; i < n; i++)
                        c = c << 8 | in->data[i];
        in->data += n;
        in->length -= n;
        return c;
}

static bool is_string(uint8_t tag, struct der value)
{
        size_t n = tag == DER_TAG_BMP_STRING ? 2 : tag == DER_TAG_UNIVERSAL_STRING ? 4 : 1;

        if (tag == DER_TAG_UTF8_STRING)
                return text_is_utf8((const char *)value.data, value.length);
        if (tag != DER_TAG_BMP_STRING && tag != DER_TAG_UNIVERSAL_STRING && tag != DER_TAG_T61_STRING &&
                tag != DER_TAG_NUMERIC_STRING && tag != DER_TAG_PRINTABLE_STRING &&
                tag != DER_TAG_IA5_STRING && tag != DER_TAG_VISIBLE_STRING)
                return false;
        if (value.length % n != 0)
                return false;
        while (value.length > 0) {
                uint32_t c = next_character(tag, &value);
                if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ||
                        (n == 1 && tag != DER_TAG_T61_STRING && c >= 0x80))
                        return false;
        }
        return true;
}

static void put_hex(struct dn_text *text, struct der bytes)
{
        char piece[3];

        put_string(text, "#");
        for (size_t i = 0; i < bytes.length && !text->cut; i++) {
                text_hex(bytes.data + i, 1, piece);
                put(text, piece, 2);
        }
}

static void put_character(struct dn_text *text, uint32_t c, bool first, bool last)
{
        char bytes[4], piece[16] = "";
        size_t n = utf8_encode(c, bytes);

        if (utf8_is_control(c)) {
                for (size_t i = 0; i < n; i++) {
                        piece[3 * i] = '\\';
                        text_hex(&bytes[i], 1, piece + 3 * i + 1);
                }
                put_string(text, piece);
                return;
        }
        if (c < 0x80 &&
                (strchr("\\\"+,;<>", (int)c) || (c == '#' && first) || (c == ' ' && (first || last)))) {
                piece[0] = '\\';
                piece[1] = (char)c;
                put(text, piece, 2);
                return;
        }
        put(text, bytes, n);
}

static void put_value(struct dn_text *text, uint8_t tag, struct der value)
{
        bool first = true;

        while (value.length > 0 && !text->cut) {
                uint32_t c = next_character(tag, &value);
                put_character(text, c, first, value.length == 0);
                first = false;
        }
}

/* ---- the whole ---- */

static bool put_attribute(struct dn_text *text, struct der *in)
{
        struct der body, oid, value, whole;
        const struct dn_type *type;
        uint8_t tag;

        if (!der_take(in, DER_TAG_SEQUENCE, &body) || !der_take(&body, DER_TAG_OID, &oid) || !is_oid(oid))
                return false;
        whole = body;
        if (!der_next(&body, &tag, &value) || body.length != 0)
                return false;
        type = find_type(oid);
        if (type)
                put_string(text, type->name);
        else
                put_oid(text, oid);
        put_string(text, "=");
        if (type && is_string(tag, value))
                put_value(text, tag, value);
        else
                put_hex(text, whole);
        return true;
}

static bool put_rdn(struct dn_text *text, struct der rdn)
{
        bool first = true;

        do {
                if (!first)
                        put_string(text, "+");
                first = false;
                if (!put_attribute(text, &rdn))
                        return false;
        } while (rdn.length > 0);
        return true;
}

bool dn_to_text(struct der name, char ret[static DN_TEXT_MAX])
{
        struct der body, parts[PARTS_MAX];
        struct dn_text text = {.out = ret};
        size_t n = 0;

        if (!der_take(&name, DER_TAG_SEQUENCE, &body) || name.length != 0)
                return false;
        while (body.length > 0)
                if (!der_take(&body, DER_TAG_SET, &parts[n++ % PARTS_MAX]))
                        return false;
        for (size_t i = 0; i < MIN_OF(n, (size_t)PARTS_MAX); i++) {
                if (i > 0)
                        put_string(&text, ",");
                if (!put_rdn(&text, parts[(n - 1 - i) % PARTS_MAX]))
                        return false;
        }
        text.cut = text.cut || n > PARTS_MAX;
        if (text.cut) {
                memcpy(ret + text.at, CUT, sizeof(CUT));
                return true;
        }
        ret[text.at] = '\0';
        return true;
}
