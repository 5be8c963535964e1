/* SPDX-License-Identifier: MPL-2.0 */
/* See key-value.h. */
#include "daemon/config/key-value.h"

#include <string.h>

#include "daemon/config/type.h"
#include "daemon/config/value.h"
#include "daemon/util/text.h"

/* " from 1 to 9", in the unit of the type; "" for what has no range. NULL: no memory. */
static char *range_text(const struct config_key *key)
{
        uint64_t least = key->min, most = key->max;

        if (most == 0)
                return strdup("");
        if (key->type->storage == STORAGE_USEC)
                return text_format(", from %jums to %juh", (uintmax_t)(least / USEC_PER_MSEC),
                        (uintmax_t)(most / USEC_PER_SEC / 3600));
        if (key->type->storage == STORAGE_SIZE)
                return text_format(", from %ju%s to %juG",
                        (uintmax_t)(least >= 1U << 20 ? least >> 20 : least >> 10),
                        least >= 1U << 20 ? "M" : "K", (uintmax_t)(most >> 30));
        return text_format(" from %ju to %ju", (uintmax_t)least, (uintmax_t)most);
}

/* found: the value, or the first word of a list that is invalid. */
static void say_expected(
        const struct config_key *key, struct parser *parser, struct place place, const char *found)
{
        _cleanup_(freep) char *fault = key->type->explain ? key->type->explain(found) : NULL;
        _cleanup_(freep) char *range = range_text(key);
        char buffer[SHOWN_BYTES];

        if (!range)
                parser->error = -ENOMEM;
        else if (fault)
                parser_fault(parser, place, "%s= must be %s, but %s", key->name, key->type->expected, fault);
        else if (key->type->hidden)
                parser_fault(parser, place, "%s= must be %s%s", key->name, key->type->expected, range);
        else
                parser_fault(parser, place, "%s= must be %s%s, not `%s`", key->name, key->type->expected,
                        range, parser_shown(found, buffer));
}

static void add_reference(
        const struct config_key *key, struct parser *parser, struct place place, const char *name)
{
        struct reference *grown, *reference;

        grown = parser_grow(parser, parser->references, parser->n_references, sizeof(*grown));
        if (!grown)
                return;
        parser->references = grown;
        reference = &grown[parser->n_references];
        reference->name = strdup(name);
        if (!reference->name) {
                parser->error = -ENOMEM;
                return;
        }
        reference->place = place;
        reference->key = key->name;
        reference->section = parser->current;
        reference->kind = key->type->reference;
        parser->n_references++;
}

static void add_item(const struct config_key *key, struct parser *parser, void *object, char **item)
{
        char **list = key_list(key, object), **grown;
        size_t n = 0;

        while (list[n])
                n++;
        grown = parser_grow(parser, list, n + 1, sizeof(*grown));
        if (!grown)
                return;
        grown[n] = TAKE_PTR(*item);
        *(char ***)key_field(key, object) = grown;
}

static int check_text(const struct config_type *type, const char *text)
{
        if (type->check)
                return type->check(text);
        return type->valid(text) ? 0 : -EINVAL;
}

/* One word of a list, or the whole of a text. False: it is invalid. */
static bool take_text(
        const struct config_key *key, struct parser *parser, struct place place, void *object, char **text)
{
        int r = check_text(key->type, *text);

        if (r == -EINVAL || r == -ERANGE || r == -ENOENT)
                return false;
        if (r < 0) {
                parser->error = r;
                return true;
        }
        if (key->type->reference)
                add_reference(key, parser, place, *text);
        if (key->type->storage == STORAGE_LIST)
                add_item(key, parser, object, text);
        else {
                free(key_text(key, object));
                *(char **)key_field(key, object) = TAKE_PTR(*text);
        }
        return true;
}

static bool take_number(const struct config_key *key, struct parser *parser, void *object, const char *text)
{
        uint64_t value = 0;
        int r = key->type->number(text, &value);
        uint32_t id;

        if (r == -EINVAL && key->type->named && parser->look_up) {
                r = parser->look_up(key->type->named, text, &id);
                value = r == 0 ? id : 0;
        }
        if (r == -ENOMEM)
                parser->error = r;
        if (r < 0)
                return r == -ENOMEM;
        if (key->max > 0 && (value < key->min || value > key->max))
                return false;
        if (key->type->storage == STORAGE_RIGHTS)
                value |= key_number(key, object);
        key_set_number(key, object, value);
        return true;
}

/* What was expected is reported once for the whole list, not once for each invalid word. */
static int parse_words(const struct config_key *key, struct parser *parser, struct place place, void *object,
        const char *value)
{
        _cleanup_(freep) char *invalid = NULL;

        for (;;) {
                _cleanup_(freep) char *word = NULL;
                int r = value_next_word(&value, &word);
                bool valid;

                if (r < 0)
                        return r;
                if (r > 0)
                        break;
                if (key->type->storage == STORAGE_RIGHTS)
                        valid = take_number(key, parser, object, word);
                else
                        valid = take_text(key, parser, place, object, &word);
                if (!valid && !invalid)
                        invalid = TAKE_PTR(word);
        }
        if (invalid)
                say_expected(key, parser, place, invalid);
        return 0;
}

static int parse_one(const struct config_key *key, struct parser *parser, struct place place, void *object,
        const char *value)
{
        _cleanup_(freep) char *text = NULL;
        bool valid;
        int r;

        r = value_text(value, &text);
        if (r < 0)
                return r;
        if (key->type->storage == STORAGE_TEXT)
                valid = take_text(key, parser, place, object, &text);
        else
                valid = take_number(key, parser, object, text);
        if (!valid)
                say_expected(key, parser, place, text);
        return 0;
}

void key_parse(const struct config_key *key, struct parser *parser, struct place place, void *object,
        bool again, const char *value)
{
        int r;

        if (*value == '\0') {
                parser_fault(parser, place, "%s= has no value", key->name);
                return;
        }
        /* The first line replaces the default, further lines add to it. */
        if (key->type->storage == STORAGE_RIGHTS && !again)
                key_set_number(key, object, 0);
        if (key_may_repeat(key))
                r = parse_words(key, parser, place, object, value);
        else
                r = parse_one(key, parser, place, object, value);
        if (r == -EINVAL)
                parser_fault(parser, place,
                        "%s= has a quote that does not end, or text after its closing quote", key->name);
        else if (r < 0)
                parser->error = r;
}
