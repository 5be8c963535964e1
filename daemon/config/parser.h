/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of this layer share while files are read: the faults so far, where each section and key
 * stood, and what is left to check when all files have been read. Nothing of it outlives config_load() and
 * config_parse().
 *
 * From the ground up: value, type, keys (the table), snapshot (its objects), faults, key-value, parser (a text), check (the
 * whole), load (files), config-memfd. A fault does not end the reading. Want of memory sets parser->error, which stays, and
 * which config_load() returns.
 */
#pragma once

#include <stdbool.h>

#include "daemon/config/config.h"

enum section_kind {
        SECTION_DAEMON,
        SECTION_TOKEN,
        SECTION_INSTANCE,
        SECTION_KINDS_,
};

/* Keys of one kind of section, at most: room for where each was given. */
#define SECTION_KEYS_MAX 16U

struct place {
        const char *file; /* NULL: nowhere, so the value is the default */
        unsigned line;
};

struct section {
        enum section_kind kind; /* SECTION_KINDS_: unknown */
        const char *name;       /* NULL: no section that counts */
        void *object; /* config, config_token or config_instance; NULL: unknown, its keys are passed over */
        bool scrap; /* the head is at fault: the object is there to find the faults of its values, and goes */
        struct place place;
        struct place keys[SECTION_KEYS_MAX]; /* by the key's place in the table */
};

/* A token named by another section: looked for when all files have been read. */
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
        unsigned n_faults;
        int error;       /* -ENOMEM: sticks, and ends the reading */
        bool incomplete; /* not everything could be read: what is missing may stand there */

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

/* -ENOMEM: parser_done() all the same. */
int parser_init(struct parser *parser, void (*report)(void *userdata, const char *line), void *userdata);
void parser_done(struct parser *parser);

/* Reports `FILE:LINE: text`. (faults.c, as parser_grow()) */
void parser_fault(struct parser *parser, struct place place, const char *format, ...) _printf_(3, 4);

/* Reads the text of one file. name must stay for as long as the parser. */
void parser_read(struct parser *parser, const char *name, const char *text, size_t length);

/* Adds a token as the defaults have it. NULL (and error set) when memory is short. */
struct config_token *parser_add_token(struct parser *parser, const char *name);

/* Once, when all has been read: what one line alone cannot show, and what stands in no file. */
void check_all(struct parser *parser);

/* The array with one more zeroed element behind its n, moved perhaps. NULL, and error set, when memory is
 * short. */
void *parser_grow(struct parser *parser, void *array, size_t n, size_t element_size);
