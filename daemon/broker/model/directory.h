/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What lies on one token, as its worker told: keys and certificates, by number, by nickname and by id, with
 * each key's JSON rendered once (a certificate's when it is asked for: ten thousand of them would be 20 MB). Owns the entries; who keeps one beyond the directory's next change holds a
 * reference. It trusts nothing of what it is told. Pure.
 */
#pragma once

#include "daemon/broker/model/entry.h"

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

/* The same object as it is in the directory now: the entry itself where it is live; NULL: it is not there any more. */
struct entry *directory_current(const struct directory *directory, const struct entry *entry);

/* All of the kind in the order of List: *ret is an array of directory_count() entries, good until the next change, or NULL
 * where there are none. -ENOMEM. */
int directory_sorted(struct directory *directory, enum object_kind kind, struct entry ***ret);
