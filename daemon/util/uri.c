/* SPDX-License-Identifier: MPL-2.0 */
/* See uri.h. */
#include "daemon/util/uri.h"

#include <string.h>
#include <strings.h>

#include "daemon/util/text.h"

/* Percent-decodes a value into a new string. -EINVAL: it is empty, has a wrong escape, or has a byte that must be escaped in a URI. */
static int decode(const char *text, size_t length, char **ret, size_t *ret_length)
{
        _cleanup_(freep) char *value = malloc(length + 1);
        size_t n = 0;

        if (!value)
                return -ENOMEM;
        if (length == 0)
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c == '%') {
                        int high = i + 2 < length ? text_hex_digit(text[i + 1]) : -1;
                        int low = i + 2 < length ? text_hex_digit(text[i + 2]) : -1;

                        if (high < 0 || low < 0)
                                return -EINVAL;
                        c = (unsigned char)(high << 4 | low);
                        i += 2;
                } else if (c <= 0x20 || c == 0x7f || c == '#')
                        return -EINVAL;
                value[n++] = (char)c;
        }
        value[n] = '\0';
        *ret = TAKE_PTR(value);
        *ret_length = n;
        return 0;
}

static int set_text(char **field, char **value, size_t length)
{
        if (*field || memchr(*value, 0, length) || !text_is_utf8(*value, length))
                return -EINVAL;
        *field = TAKE_PTR(*value);
        return 0;
}

static int set_id(struct uri *uri, char **value, size_t length)
{
        if (uri->id)
                return -EINVAL;
        uri->id = (unsigned char *)TAKE_PTR(*value);
        uri->id_length = length;
        return 0;
}

/* A slot number is a CK_ULONG. No module has one that does not fit 63 bits. */
static int set_slot(struct uri *uri, const char *value)
{
        int64_t slot = 0;

        if (uri->slot_id >= 0)
                return -EINVAL;
        for (; *value; value++) {
                if (*value < '0' || *value > '9' || __builtin_mul_overflow(slot, 10, &slot) ||
                        __builtin_add_overflow(slot, *value - '0', &slot))
                        return -EINVAL;
        }
        uri->slot_id = slot;
        return 0;
}

enum ignored {
        IGNORED_TYPE = 1,
        IGNORED_MANUFACTURER = 2,
        IGNORED_DESCRIPTION = 4,
        IGNORED_VERSION = 8
};

/* Accepted once, and not kept. */
static int ignore(unsigned *seen, unsigned what)
{
        if (*seen & what)
                return -EINVAL;
        *seen |= what;
        return 0;
}

static int set_attribute(struct uri *uri, unsigned *seen, const char *name, size_t name_length,
        const char *text, size_t length)
{
        _cleanup_(freep) char *value = NULL;
        size_t n = 0;
        int r;

        r = decode(text, length, &value, &n);
        if (r < 0)
                return r;
#define NAMED(s) (name_length == strlen(s) && memcmp(name, s, name_length) == 0)
        if (NAMED("token"))
                return set_text(&uri->token, &value, n);
        if (NAMED("serial"))
                return set_text(&uri->serial, &value, n);
        if (NAMED("manufacturer"))
                return set_text(&uri->manufacturer, &value, n);
        if (NAMED("model"))
                return set_text(&uri->model, &value, n);
        if (NAMED("object"))
                return set_text(&uri->object, &value, n);
        if (NAMED("id"))
                return set_id(uri, &value, n);
        if (NAMED("slot-id"))
                return memchr(value, 0, n) ? -EINVAL : set_slot(uri, value);
        if (NAMED("type"))
                return ignore(seen, IGNORED_TYPE);
        if (NAMED("library-manufacturer"))
                return ignore(seen, IGNORED_MANUFACTURER);
        if (NAMED("library-description"))
                return ignore(seen, IGNORED_DESCRIPTION);
        if (NAMED("library-version"))
                return ignore(seen, IGNORED_VERSION);
#undef NAMED
        return -EINVAL;
}

int uri_parse(const char *text, struct uri *ret)
{
        _cleanup_(uri_done) struct uri uri = {.slot_id = -1};
        unsigned seen = 0;

        if (strncasecmp(text, "pkcs11:", 7) != 0 || strchr(text, '?'))
                return -EINVAL;
        text += 7;
        while (*text) {
                size_t length = strcspn(text, ";"), name = strcspn(text, "=;");
                int r;

                if (name >= length)
                        return -EINVAL;
                r = set_attribute(&uri, &seen, text, name, text + name + 1, length - name - 1);
                if (r < 0)
                        return r;
                text += length;
                /* A semicolon separates two attributes: it must not be the end. */
                if (*text == ';' && *++text == '\0')
                        return -EINVAL;
        }
        *ret = uri;
        uri = (struct uri){.slot_id = -1};
        return 0;
}

void uri_done(struct uri *uri)
{
        free(uri->token);
        free(uri->serial);
        free(uri->manufacturer);
        free(uri->model);
        free(uri->object);
        free(uri->id);
        *uri = (struct uri){.slot_id = -1};
}

static bool fits(const char *wanted, const char *found)
{
        return !wanted || (found && strcmp(wanted, found) == 0);
}

bool uri_matches_token(const struct uri *uri, const char *label, const char *serial, const char *manufacturer,
        const char *model, uint64_t slot_id)
{
        return fits(uri->token, label) && fits(uri->serial, serial) &&
               fits(uri->manufacturer, manufacturer) && fits(uri->model, model) &&
               (uri->slot_id < 0 || (uint64_t)uri->slot_id == slot_id);
}
