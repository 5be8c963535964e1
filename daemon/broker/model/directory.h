/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What lies on one token, as its worker told: keys and certificates, by number, by nickname and by id, with
 * each key's JSON rendered once (a certificate's when it is asked for: ten thousand of them would be 20 MB). Owns the entries; who keeps one beyond the directory's next change holds a
 * reference. It trusts nothing of what it is told. Pure.
 */
#pragma once

#include <stdbool.h>

#include "daemon/broker/base/output.h"
#include "daemon/channel/message.h"
#include "daemon/util/macros.h"

struct copy;

struct entry {
        unsigned refs;
        bool live;                    /* still in the directory it came into */
        unsigned char kind, key_type; /* enum object_kind, enum key_type */
        uint64_t number;
        uint32_t size, usage, flags;
        size_t id_length, der_length, json_length;
        const unsigned char *id, *der;
        const char *nickname; /* "": listed without one */
        const char *token;    /* its name, as in the JSON */
        char *json;           /* of a key; NULL of a certificate */
        /* Of a certificate; RFC 4514, hex. Empty, 0 of a key, and where the worker could not read it. */
        const char *subject, *issuer, *serial;
        uint64_t not_before_usec, not_after_usec;
        struct copy *copy;       /* on an accelerator (copies.h); NULL: none */
        const char *accelerator; /* its name, where there is a copy */
        uint64_t refused_life;   /* of the accelerator's worker that takes no copy of it */
        struct entry *next_number, *next_nickname, *next_id;
};

struct entry *entry_ref(struct entry *entry);
/* NULL is fine. */
void entry_unref(struct entry *entry);
DEFINE_CLEANUP(struct entry *, entry_unref);

/* Whether both are the same key (or certificate): id and public key. */
bool entry_is_same(const struct entry *a, const struct entry *b);

/* Whether List and Get show it: keys, and certificates that were read and fit a reply. */
bool entry_is_listed(const struct entry *entry);

/* For a struct output_part: its JSON, as io.tokend.Keys.Key or io.tokend.Certificates.Certificate. userdata: the entry. */
void entry_put(struct output *output, void *userdata);

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

/* How many objects of the kind there are, listed or not. */
size_t directory_count(const struct directory *directory, enum object_kind kind);
struct entry *directory_number(const struct directory *directory, uint64_t number);
/* The first, and each next, of that nickname or id: keys and certificates. NULL at the end. */
struct entry *directory_nickname(
        const struct directory *directory, const char *nickname, struct entry *after);
struct entry *directory_id(
        const struct directory *directory, const void *id, size_t length, struct entry *after);
/* The key (or certificate) of the same id and public key (or DER); NULL. */
struct entry *directory_same_key(const struct directory *directory, const struct entry *entry);

/* The first, and each next, of the kind, in no order. NULL at the end. */
struct entry *directory_next(
        const struct directory *directory, enum object_kind kind, const struct entry *after);

/* All of the kind in the order of List: *ret is an array of directory_count() entries, good until the next change, or NULL
 * where there are none. -ENOMEM. */
int directory_sorted(struct directory *directory, enum object_kind kind, struct entry ***ret);
