/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Cuts the text of one file into lines, and each line into the head of a section or a key and its value. Each is looked up in
 * the table of keys. The value goes into the object of its section, and where it stood is kept for the checks at the end.
 * A fault does not end the reading.
 */
#include "daemon/config/parser.h"

#include <string.h>

#include "daemon/config/key-value.h"
#include "daemon/config/keys.h"
#include "daemon/config/snapshot.h"
#include "daemon/config/value.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

static struct section *section_new(struct parser *parser, struct place place)
{
        struct section **grown =
                parser_grow(parser, parser->sections, parser->n_sections, sizeof(struct section *));
        struct section *section;

        if (!grown)
                return NULL;
        parser->sections = grown;
        section = calloc(1, sizeof(*section));
        if (!section) {
                parser->error = -ENOMEM;
                return NULL;
        }
        section->kind = SECTION_KINDS_;
        section->place = place;
        grown[parser->n_sections++] = section;
        return section;
}

static enum section_kind kind_of(const char *kind)
{
        for (unsigned i = 0; i < SECTION_KINDS_; i++)
                if (strcmp(config_sections[i].name, kind) == 0)
                        return (enum section_kind)i;
        return SECTION_KINDS_;
}

static const struct section *section_find(
        const struct parser *parser, enum section_kind kind, const char *name)
{
        for (size_t i = 0; i < parser->n_sections; i++) {
                const struct section *section = parser->sections[i];

                if (section->kind == kind && section->name && (!name || strcmp(section->name, name) == 0))
                        return section;
        }
        return NULL;
}

static size_t section_count(const struct parser *parser, enum section_kind kind)
{
        size_t n = 0;

        for (size_t i = 0; i < parser->n_sections; i++)
                n += parser->sections[i]->kind == kind && !parser->sections[i]->scrap;
        return n;
}

/* Whether the head of a section is valid; if it is not, reports that. */
static bool head_ok(struct parser *parser, struct place place, enum section_kind kind, const char *name)
{
        const struct config_section *table = &config_sections[kind];
        const struct section *other;
        char buffer[SHOWN_BYTES];

        if (!table->named && name) {
                parser_fault(parser, place, "[%s] must not have a name", table->name);
                return false;
        }
        if (table->named && !name) {
                parser_fault(parser, place, "[%s] needs a name: [%s NAME]", table->name, table->name);
                return false;
        }
        if (name && !value_is_name(name)) {
                parser_fault(parser, place,
                        "[%s %s]: a name must have 1 to 64 bytes, without colons, slashes, white space and "
                        "control characters, and must not begin with a dot",
                        table->name, parser_shown(name, buffer));
                return false;
        }
        other = section_find(parser, kind, name);
        if (other) {
                parser_fault(parser, place, "[%s%s%s] was given before, at %s:%u", table->name,
                        name ? " " : "", name ? name : "", other->place.file, other->place.line);
                return false;
        }
        if (table->named && section_count(parser, kind) == LIMIT_SECTIONS) {
                parser_fault(parser, place, "more than %u [%s] sections", LIMIT_SECTIONS, table->name);
                return false;
        }
        return true;
}

/* A new token or instance with its name and the default values. */
static void *object_new(struct parser *parser, enum section_kind kind, const char *name)
{
        static const size_t sizes[] = {
                [SECTION_DAEMON] = sizeof(struct config),
                [SECTION_TOKEN] = sizeof(struct config_token),
                [SECTION_INSTANCE] = sizeof(struct config_instance),
        };
        void *object = calloc(1, sizes[kind]);
        int r = object ? keys_init(kind, object) : -ENOMEM;

        if (r == 0 && kind != SECTION_DAEMON) {
                char *copy = strdup(name ? name : "");

                /* The name is the first member of both. */
                *(char **)object = copy;
                r = copy ? 0 : -ENOMEM;
        }
        if (r < 0) {
                parser->error = r;
                section_free_object(kind, object);
                return NULL;
        }
        return object;
}

/* Puts an object into the snapshot, which owns it from then on. */
static bool object_keep(struct parser *parser, enum section_kind kind, void *object)
{
        struct config *config = parser->config;
        void **grown;

        if (kind == SECTION_TOKEN) {
                grown = parser_grow(parser, config->tokens, config->n_tokens, sizeof(*grown));
                if (!grown)
                        return false;
                grown[config->n_tokens++] = object;
                config->tokens = (struct config_token **)grown;
        } else {
                grown = parser_grow(parser, config->instances, config->n_instances, sizeof(*grown));
                if (!grown)
                        return false;
                grown[config->n_instances++] = object;
                config->instances = (struct config_instance **)grown;
        }
        return true;
}

struct config_token *parser_add_token(struct parser *parser, const char *name)
{
        struct config_token *token = object_new(parser, SECTION_TOKEN, name);

        if (token && !object_keep(parser, SECTION_TOKEN, token)) {
                section_free_object(SECTION_TOKEN, token);
                return NULL;
        }
        return token;
}

static void keep_place(struct parser *parser, struct config_token *token, struct place place)
{
        token->place = text_format("%s:%u", place.file, place.line);
        if (!token->place)
                parser->error = -ENOMEM;
}

static void begin_section(struct parser *parser, struct place place, const char *kind_name, const char *name)
{
        struct section *section = section_new(parser, place);
        enum section_kind kind;
        char buffer[SHOWN_BYTES];

        parser->current = section;
        if (!section || !kind_name)
                return;
        kind = kind_of(kind_name);
        if (kind == SECTION_KINDS_) {
                parser_fault(parser, place,
                        "unknown section [%s], expected [Daemon], [Token NAME] or [Instance NAME]",
                        parser_shown(kind_name, buffer));
                return;
        }
        section->scrap = !head_ok(parser, place, kind, name);
        section->kind = kind;
        if (kind == SECTION_DAEMON && !section->scrap) {
                section->object = parser->config;
                section->name = config_sections[kind].name;
                return;
        }
        section->object = object_new(parser, kind, name);
        if (!section->object || section->scrap)
                return;
        if (!object_keep(parser, kind, section->object)) {
                section_free_object(kind, section->object);
                section->object = NULL;
                return;
        }
        section->name = *(char **)section->object;
        if (kind == SECTION_TOKEN)
                keep_place(parser, section->object, place);
}

static void assign(struct parser *parser, struct place place, const char *name, const char *value)
{
        struct section *section = parser->current;
        const struct config_key *key;
        struct place *before;
        char buffer[SHOWN_BYTES];

        if (!section) {
                parser_fault(
                        parser, place, "%s= stands before the first [Section]", parser_shown(name, buffer));
                return;
        }
        if (!section->object)
                return;
        key = keys_find(section->kind, name);
        if (!key) {
                key = keys_find_similar(section->kind, name);
                parser_fault(parser, place, "unknown key %s= in section [%s]%s%s%s",
                        parser_shown(name, buffer), config_sections[section->kind].name,
                        key ? "; did you mean " : "", key ? key->name : "", key ? "=?" : "");
                return;
        }
        before = &section->keys[key - config_sections[section->kind].keys];
        if (before->file && !key_may_repeat(key)) {
                parser_fault(parser, place, "%s= was given before, at %s:%u", key->name, before->file,
                        before->line);
                return;
        }
        key_parse(key, parser, place, section->object, before->file != NULL, value);
        if (!before->file)
                *before = place;
}

/* ---- lines ---- */

/* Takes white space away at both ends, in place. */
static char *trim(char *text)
{
        size_t length;

        while (value_is_space(*text))
                text++;
        length = strlen(text);
        while (length > 0 && value_is_space(text[length - 1]))
                length--;
        text[length] = '\0';
        return text;
}

static void read_head(struct parser *parser, struct place place, char *line)
{
        size_t length = strlen(line);
        char *kind, *name;

        if (line[length - 1] != ']') {
                parser_fault(parser, place, "expected [SECTION]: the closing bracket is missing");
                /* It is not known to which section the next lines belong. */
                begin_section(parser, place, NULL, NULL);
                return;
        }
        line[length - 1] = '\0';
        kind = trim(line + 1);
        name = kind + strcspn(kind, " \t\v\f\r");
        if (*name)
                *name++ = '\0';
        name = trim(name);
        begin_section(parser, place, kind, *name ? name : NULL);
}

static void read_line(struct parser *parser, struct place place, char *line)
{
        char *equals;

        line = trim(line);
        if (*line == '\0' || *line == '#' || *line == ';')
                return;
        if (*line == '[') {
                read_head(parser, place, line);
                return;
        }
        equals = strchr(line, '=');
        /* The line is not repeated: it may hold a PIN. */
        if (!equals || equals == line) {
                parser_fault(parser, place, "expected a comment, [SECTION] or Key=Value");
                return;
        }
        *equals = '\0';
        assign(parser, place, trim(line), trim(equals + 1));
}

void parser_read(struct parser *parser, const char *file, const char *text, size_t length)
{
        struct place place = {.file = file};

        /* Some editors put a byte order mark first. */
        if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
                text += 3;
                length -= 3;
        }
        for (size_t at = 0; at < length && !parser->error;) {
                const char *end = memchr(text + at, '\n', length - at);
                size_t n = end ? (size_t)(end - text) - at : length - at;
                _cleanup_(freep) char *line = strndup(text + at, n);

                place.line++;
                if (!line) {
                        parser->error = -ENOMEM;
                        return;
                }
                if (memchr(text + at, 0, n))
                        parser_fault(parser, place, "the line contains a NUL byte");
                else if (!text_is_utf8(line, n))
                        parser_fault(parser, place, "the line is not UTF-8");
                else
                        read_line(parser, place, line);
                at += n + 1;
        }
}

/* ---- the parser ---- */

int parser_init(struct parser *parser, void (*report)(void *userdata, const char *line), void *userdata)
{
        *parser = (struct parser){.report = report, .userdata = userdata};
        parser->config = calloc(1, sizeof(*parser->config));
        if (!parser->config)
                return -ENOMEM;
        return keys_init(SECTION_DAEMON, parser->config);
}

void parser_done(struct parser *parser)
{
        for (size_t i = 0; i < parser->n_sections; i++) {
                struct section *section = parser->sections[i];

                if (section->scrap)
                        section_free_object(section->kind, section->object);
                free(section);
        }
        for (size_t i = 0; i < parser->n_references; i++)
                free(parser->references[i].name);
        for (size_t i = 0; i < parser->n_files; i++)
                free(parser->files[i]);
        free(parser->sections);
        free(parser->references);
        free(parser->files);
        config_free(parser->config);
}
