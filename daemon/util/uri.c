/* SPDX-License-Identifier: MPL-2.0 */
/* See uri.h. */
#include "daemon/util/uri.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/util/text.h"

#define SCHEME "pkcs11:"

/* What is wrong, and with which attribute. */
struct fault {
        const char *what;
        const char *name; /* points into the text; NULL: no attribute is meant */
        size_t name_length;
};

static int refuse(struct fault *fault, const char *what)
{
        fault->what = what;
        return -EINVAL;
}

/* ---- values ---- */

static int decode_escape(const char *at, const char *end, unsigned char *ret)
{
        int high = end - at > 2 ? text_hex_digit(at[1]) : -1, low = end - at > 2 ? text_hex_digit(at[2]) : -1;

        if (high < 0 || low < 0)
                return -EINVAL;
        *ret = (unsigned char)(high << 4 | low);
        return 0;
}

/* Percent-decodes a value into a new string with a NUL behind it. */
static int decode(const char *text, size_t length, char **ret, size_t *ret_length, struct fault *fault)
{
        _cleanup_(freep) char *value = malloc(length + 1);
        const char *end = text + length;
        size_t n = 0;

        if (!value)
                return -ENOMEM;
        while (text < end) {
                unsigned char c = (unsigned char)*text;

                if (c == '%') {
                        if (decode_escape(text, end, &c) < 0)
                                return refuse(fault, "has a % without two hexadecimal digits behind it");
                        text += 2;
                } else if (c <= 0x20 || c == 0x7f || c == '#')
                        return refuse(fault, "has a character that must be written as % and two digits");
                value[n++] = (char)c;
                text++;
        }
        value[n] = '\0';
        *ret = TAKE_PTR(value);
        *ret_length = n;
        return 0;
}

static int set_text(char **field, char **value, struct fault *fault)
{
        if (*field)
                return refuse(fault, "is given twice");
        *field = TAKE_PTR(*value);
        return 0;
}

/* MAJOR or MAJOR.MINOR, as CK_VERSION has them: a byte each. */
static int set_version(char **field, const char *value, struct fault *fault)
{
        uint64_t major = 0, minor = 0;
        _cleanup_(freep) char *version = NULL;
        bool valid = text_digits(&value, &major) == 0;

        if (valid && *value == '.') {
                value++;
                valid = text_digits(&value, &minor) == 0;
        }
        if (!valid || *value || major > UINT8_MAX || minor > UINT8_MAX)
                return refuse(fault, "must be a version such as 2.40");
        version = text_format("%u.%u", (unsigned)major, (unsigned)minor);
        return version ? set_text(field, &version, fault) : -ENOMEM;
}

/* A slot number is a CK_ULONG. No module has one that does not fit 63 bits. */
static int set_slot(struct uri *uri, const char *value, struct fault *fault)
{
        uint64_t slot = 0;

        if (text_digits(&value, &slot) != 0 || *value || slot > INT64_MAX)
                return refuse(fault, "must be a number");
        if (uri->slot_id >= 0)
                return refuse(fault, "is given twice");
        uri->slot_id = (int64_t)slot;
        return 0;
}

static int set_bytes(
        unsigned char **field, size_t *field_length, char **value, size_t length, struct fault *fault)
{
        if (*field)
                return refuse(fault, "is given twice");
        *field = (unsigned char *)TAKE_PTR(*value);
        *field_length = length;
        return 0;
}

/* ---- attributes ---- */

const char *uri_part_name(enum uri_part part)
{
        static const char *const names[] = {
                [URI_TOKEN] = "token",
                [URI_SERIAL] = "serial",
                [URI_MANUFACTURER] = "manufacturer",
                [URI_MODEL] = "model",
                [URI_SLOT_DESCRIPTION] = "slot-description",
                [URI_SLOT_MANUFACTURER] = "slot-manufacturer",
                [URI_LIBRARY_DESCRIPTION] = "library-description",
                [URI_LIBRARY_MANUFACTURER] = "library-manufacturer",
                [URI_LIBRARY_VERSION] = "library-version",
        };

        return names[part];
}

static bool is_named(const struct fault *attribute, const char *name)
{
        return strlen(name) == attribute->name_length &&
               memcmp(name, attribute->name, attribute->name_length) == 0;
}

static int set_part(struct uri *uri, enum uri_part part, char **value, size_t length, struct fault *fault)
{
        if (part == URI_LIBRARY_VERSION)
                return memchr(*value, 0, length) ? refuse(fault, "must be a version such as 2.40")
                                                 : set_version(&uri->parts[part], *value, fault);
        text_field(*value, *value, length);
        return set_text(&uri->parts[part], value, fault);
}

/* fault->name is the attribute. */
static int set_attribute(
        struct uri *uri, bool *has_type, const char *text, size_t length, struct fault *fault)
{
        _cleanup_(freep) char *value = NULL;
        size_t n = 0;
        int r;

        r = decode(text, length, &value, &n, fault);
        if (r < 0)
                return r;
        for (enum uri_part part = 0; part < URI_PARTS; part++)
                if (is_named(fault, uri_part_name(part)))
                        return set_part(uri, part, &value, n, fault);
        if (is_named(fault, "object")) {
                text_label(value, value, n);
                return set_text(&uri->object, &value, fault);
        }
        if (is_named(fault, "id"))
                return set_bytes(&uri->id, &uri->id_length, &value, n, fault);
        if (is_named(fault, "x-der-tail"))
                return set_bytes(&uri->der_tail, &uri->der_tail_length, &value, n, fault);
        if (is_named(fault, "slot-id"))
                return memchr(value, 0, n) ? refuse(fault, "must be a number") : set_slot(uri, value, fault);
        if (is_named(fault, "type")) {
                if (*has_type)
                        return refuse(fault, "is given twice");
                *has_type = true;
                return 0;
        }
        return refuse(fault, "is not known here, so that nothing can match it");
}

static int parse(const char *text, struct uri *uri, struct fault *fault)
{
        bool has_type = false;

        if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
                return refuse(fault, "it does not begin with " SCHEME);
        if (strchr(text, '?'))
                return refuse(
                        fault, "it has a query (what follows the `?`), and a PIN must not come in this way");
        text += strlen(SCHEME);
        while (*text) {
                size_t length = strcspn(text, ";");
                int r;

                fault->name = text;
                fault->name_length = strcspn(text, "=;");
                if (fault->name_length == 0)
                        return refuse(fault, "has no name");
                if (fault->name_length == length) {
                        /* This may be the end of a value. */
                        fault->name_length = 0;
                        return refuse(fault, "has no `=`");
                }
                r = set_attribute(uri, &has_type, text + fault->name_length + 1,
                        length - fault->name_length - 1, fault);
                if (r < 0)
                        return r;
                text += length;
                fault->name = NULL;
                if (*text == ';' && *++text == '\0')
                        return refuse(fault, "it ends with a semicolon, which separates two attributes");
        }
        return 0;
}

int uri_parse(const char *text, struct uri *ret)
{
        _cleanup_(uri_done) struct uri uri = {.slot_id = -1};
        struct fault fault = {0};
        int r = parse(text, &uri, &fault);

        if (r < 0)
                return r;
        *ret = uri;
        uri = (struct uri){.slot_id = -1};
        return 0;
}

int uri_fault(const char *text, char **ret)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
        _cleanup_(uri_done) struct uri uri = {.slot_id = -1};
        struct fault fault = {0};
        char *sentence;
        int r = parse(text, &uri, &fault);

        if (r == 0)
                return 1;
        if (r != -EINVAL)
                return r;
        if (!fault.name)
                sentence = strdup(fault.what);
        else if (fault.name_length > 0 && strspn(fault.name, letters) >= fault.name_length)
                sentence = text_format("the attribute %.*s %s", (int)MIN_OF(fault.name_length, (size_t)64),
                        fault.name, fault.what);
        else
                sentence = text_format("the attribute at byte %zu %s", (size_t)(fault.name - text) + 1,
                        fault.name_length > 0 ? "has a name that is not of letters, digits, `-` and `_`"
                                              : fault.what);
        if (!sentence)
                return -ENOMEM;
        *ret = sentence;
        return 0;
}

void uri_done(struct uri *uri)
{
        for (size_t part = 0; part < URI_PARTS; part++)
                free(uri->parts[part]);
        free(uri->object);
        free(uri->id);
        free(uri->der_tail);
        *uri = (struct uri){.slot_id = -1};
}

/* ---- what it means ---- */

bool uri_matches_token(const struct uri *uri, const struct uri_token *token)
{
        for (size_t part = 0; part < URI_PARTS; part++)
                if (uri->parts[part] && strcmp(uri->parts[part], token->parts[part]) != 0)
                        return false;
        return uri->slot_id < 0 || (uint64_t)uri->slot_id == token->slot_id;
}

bool uri_says_token(const struct uri *uri)
{
        for (size_t part = 0; part < URI_PARTS; part++)
                if (uri->parts[part])
                        return true;
        return uri->slot_id >= 0;
}

bool uri_may_agree(const struct uri *a, const struct uri *b)
{
        for (size_t part = 0; part < URI_PARTS; part++)
                if (a->parts[part] && b->parts[part] && strcmp(a->parts[part], b->parts[part]) != 0)
                        return false;
        return a->slot_id < 0 || b->slot_id < 0 || a->slot_id == b->slot_id;
}
