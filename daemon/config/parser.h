/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of this layer share while files are read: the faults so far, where each section and key
 * stood, and what is left to check when all files have been read. Nothing of it outlives config_load() and
 * config_parse().
 *
 * The files of this layer from the ground up: value, type, keys (the table), snapshot (its objects), faults, key-value, parser
 * (a text), check (the whole), load (files), config-memfd. A fault does not end the reading. If memory is short, or names cannot be
 * looked up, parser->error is set and stays set; config_load() returns it.
 */
#pragma once

#include <stdbool.h>

#include "daemon/config/config.h"
#include "daemon/util/name-service.h"

enum section_kind {
        SECTION_DAEMON,
        SECTION_TOKEN,
        SECTION_INSTANCE,
        SECTION_KINDS_,
};

/* Keys of one kind of section, at most: room for where each was given. */
#define SECTION_KEYS_MAX 16U

struct place {
        const char *file; /* NULL: the key was not given, so its value is the default */
        unsigned line;
};

struct section {
        enum section_kind kind; /* SECTION_KINDS_: unknown */
        const char *name;       /* NULL: the section does not count, because its head has a fault */
        void *object; /* config, config_token or config_instance; NULL: the kind is unknown, and the keys are skipped */
        bool scrap; /* the head has a fault: the object only serves to find the faults of its values, and is freed */
        struct place place;
        struct place keys[SECTION_KEYS_MAX]; /* by the key's place in the table */
};

/* A token that another section names. It is looked up when all files have been read. */
struct reference {
        struct place place;
        const char *key;
        const struct section *section;
        unsigned kind; /* enum type_reference */
        char *name;
};

struct parser {
        void (*report)(void *userdata, const char *line); /* may be NULL */
        void *userdata;
        int (*look_up)(enum name_kind kind, const char *name,
                uint32_t *ret); /* NULL: users and groups have numbers alone */
        unsigned n_faults;
        int error;       /* -ENOMEM: stays set, and ends the reading */
        bool incomplete; /* not everything could be read, so a missing section does not count as a fault */

        struct config *config;
        struct section **sections; /* as they stand in the files */
        size_t n_sections;
        struct section *current; /* NULL before the first section of a file */
        struct reference *references;
        size_t n_references;
        char **files; /* names, which the places point to */
        size_t n_files;
        size_t n_bytes; /* read so far, of LIMIT_CONFIG */
};

/* -ENOMEM. Call parser_done() in any case. */
int parser_init(struct parser *parser, void (*report)(void *userdata, const char *line), void *userdata);
void parser_done(struct parser *parser);

/* Reports `FILE:LINE: text`. In faults.c, as parser_grow(). */
void parser_fault(struct parser *parser, struct place place, const char *format, ...) _printf_(3, 4);

/* At most 64 bytes of a text that stands in a file, without control characters, for a message. */
#define SHOWN_BYTES 65U
const char *parser_shown(const char *text, char buffer[static SHOWN_BYTES]);

/* Reads the text of one file. name must stay for as long as the parser. */
void parser_read(struct parser *parser, const char *name, const char *text, size_t length);

/* Adds a token with the default values. NULL, and error set, when memory is short. */
struct config_token *parser_add_token(struct parser *parser, const char *name);

/* Once, when everything has been read: the checks and the values that need all sections, and the snapshot. 1: there were faults.
 * -errno. In check.c. */
int parser_finish(struct parser *parser, struct config **ret);

/* The array with room for one more element after its n, set to zeros; it may have moved. NULL, and error set, when memory is
 * short. */
void *parser_grow(struct parser *parser, void *array, size_t n, size_t element_size);
