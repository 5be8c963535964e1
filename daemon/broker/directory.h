/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What lies on one token, as its worker told: keys and certificates, by number, by nickname and by id, with
 * each key's JSON rendered once. Owns the entries; who keeps one beyond the directory's next change holds a
 * reference. It trusts nothing of what it is told. Pure.
 */
#pragma once

#include <stdbool.h>

#include "daemon/channel/message.h"
#include "daemon/util/macros.h"

struct entry {
        unsigned refs;
        bool live;                    /* still in the directory it came into */
        unsigned char kind, key_type; /* enum object_kind, enum key_type */
        uint64_t number;
        uint32_t size, usage, flags;
        size_t id_length, der_length, json_length;
        const unsigned char *id, *der;
        const char *nickname; /* "": listed without one */
        char *json;           /* of a key; NULL of a certificate */
        struct entry *next_number, *next_nickname, *next_id;
};

struct entry *entry_ref(struct entry *entry);
/* NULL is fine. */
void entry_unref(struct entry *entry);
DEFINE_CLEANUP(struct entry *, entry_unref);

/* Whether both are the same key (or certificate): id and public key. */
bool entry_is_same(const struct entry *a, const struct entry *b);

/* By nickname, then id: the order of List. */
int entry_compare(const struct entry *a, const struct entry *b);

struct directory;

/* -ENOMEM. token: its name, as it stands in the JSON; copied. */
int directory_new(const char *token, struct directory **ret);
void directory_free(struct directory *directory);

/* New, or instead of the one of that number. -EBADMSG: what was told cannot be; -ENOMEM. */
int directory_put(struct directory *directory, const struct message_entry *message);
/* 1: no such number. */
int directory_drop(struct directory *directory, uint64_t number);

size_t directory_n_keys(const struct directory *directory);
struct entry *directory_number(const struct directory *directory, uint64_t number);
/* The first, and each next, of that nickname or id: keys and certificates. NULL at the end. */
struct entry *directory_nickname(
        const struct directory *directory, const char *nickname, struct entry *after);
struct entry *directory_id(
        const struct directory *directory, const void *id, size_t length, struct entry *after);
/* The key of the same id and public key; NULL. */
struct entry *directory_same_key(const struct directory *directory, const struct entry *entry);

/* All keys in the order of List: an array of directory_n_keys(), good until the next change. NULL where there
 * is none, or no memory (*ret_failed). */
struct entry **directory_sorted(struct directory *directory, bool *ret_failed);
