/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One object of a token, a key, a certificate or a secret, as its worker told. A key's or secret's JSON is rendered once, a certificate's when it is
 * asked for. Whoever keeps an entry beyond the directory's next change holds a reference. Trusts nothing of what it is told. Pure.
 */
#pragma once

#include <stdbool.h>

#include "daemon/broker/base/output.h"
#include "daemon/channel/message.h"
#include "daemon/util/macros.h"

struct copy;

/* A nickname under which the directory finds the entry. */
struct entry_name {
        const char *text;
        struct entry *entry;
        struct entry_name *next;
};

struct entry {
        unsigned refs;
        bool live;                    /* still in the directory it came into */
        unsigned char kind, key_type; /* enum object_kind, enum key_type or enum secret_type */
        uint64_t number;
        uint32_t size, usage, flags;
        size_t id_length, der_length, json_length;
        size_t n_bytes; /* what it takes of the broker */
        uint64_t
                content; /* a hash of what List shows of it, but for its copy; never the same of another content, as far as chance goes */
        const unsigned char *id, *der;
        const char *nickname;     /* names[0]; "": listed without one */
        struct entry_name *names; /* the nickname, and what else names a key; each is another */
        size_t n_names;
        const char *
                label; /* as its worker told it: the nickname, but for the digits of a key that has no name yet */
        const char *token; /* its name, as in the JSON */
        char *json;        /* of a key or secret; NULL of a certificate */
        /* Of a certificate; RFC 4514, hex. Empty, 0 of a key, and of what is not understood. */
        const char *subject, *issuer, *serial;
        uint64_t not_before_usec, not_after_usec;
        struct copy *copy;       /* on an accelerator (copies.h); NULL: none */
        const char *accelerator; /* its name, where there is a copy */
        uint64_t refused_life;   /* of the accelerator's worker that takes no copy of it */
        struct entry *next_number, *next_id;
};

struct entry *entry_ref(struct entry *entry);
/* NULL is fine. */
void entry_unref(struct entry *entry);
DEFINE_CLEANUP(struct entry *, entry_unref);

/* Whether both are the same object: id and public key, or id, bytes and label of a certificate. */
bool entry_is_same(const struct entry *a, const struct entry *b);

/* The one of its names that is this: its nickname, or another. NULL: that does not name it. */
struct entry_name *entry_name(const struct entry *entry, const char *text);

/* For a struct output_part: its JSON, as io.tokend.Keys.Key, io.tokend.Certificates.Certificate or io.tokend.Secrets.Secret. userdata:
 * the entry. */
void entry_put(struct output *output, void *userdata);

/* By nickname, then id: the order of List. */
int entry_compare(const struct entry *a, const struct entry *b);

/* From what the worker said. token: its name, as it stands in the JSON. -EBADMSG: what was told is impossible; -ENOMEM. */
int entry_new(const char *token, const struct message_entry *message, struct entry **ret);

/* A hash that goes on with these bytes. */
uint64_t content_add(uint64_t content, const void *bytes, size_t n);

/* Whether two byte strings are equal. */
bool bytes_equal(const void *a, size_t n_a, const void *b, size_t n_b);
