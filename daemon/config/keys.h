/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The table of all keys. With it values are read, written out, compared, freed, and set to their defaults. A new key is a line in
 * keys.c, a field in config.h and a paragraph in tokend.conf(5).
 */
#pragma once

#include "daemon/config/parser.h"
#include "daemon/util/buffer.h"

struct config_type;

struct config_key {
        const char *name;
        const struct config_type *type;
        size_t offset;
        uint64_t min, max;        /* of numbers */
        uint64_t default_number;  /* of numbers, durations, masks */
        const char *default_text; /* of texts; NULL: not set */
};

struct config_section {
        const char *name;
        bool named; /* [Token NAME] */
        const struct config_key *keys;
        size_t n_keys;
};

extern const struct config_section config_sections[SECTION_KINDS_];

/* Sets every default in a zeroed object. -ENOMEM. */
int keys_init(enum section_kind kind, void *object);
/* Frees every value of an object, not the object. */
void keys_done(enum section_kind kind, void *object);
bool keys_equal(enum section_kind kind, const void *a, const void *b);

/* The key of that name, or NULL. */
const struct config_key *keys_find(enum section_kind kind, const char *name);
/* The same, whatever the case of its letters: for a message. */
const struct config_key *keys_find_similar(enum section_kind kind, const char *name);
bool key_may_repeat(const struct config_key *key);

/* The value of a key in an object of its section: where it lies, and what it is, as the key's type stores it. Texts and lists
 * stay the object's. */
void *key_field(const struct config_key *key, void *object);
uint64_t key_number(const struct config_key *key, const void *object);
void key_set_number(const struct config_key *key, void *object, uint64_t value);
char *key_text(const struct config_key *key, const void *object);
char **key_list(const struct config_key *key, const void *object);

/* Adds a line `Key=Value` for every key that is set. */
void keys_put(struct buffer *out, enum section_kind kind, const void *object);

/* Where the key of that field was given in a section; file NULL: it was not. */
struct place key_place(const struct section *section, size_t offset);
