/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The key inventory: what is on the token, joined by CKA_ID, and what the broker was told of it. Any thread
 * renews it (one at a time) and any thread looks keys up (under a lock that is never held over a call into
 * the module).
 *
 * A renewal lists handles and reads the attributes of new ones only. Two things watch for a token that gives
 * a dead handle's number to another object: a few known ones are read again at every renewal, all in turn;
 * and an object that comes back under another handle (a login was lost) keeps its number only if it is the
 * same in everything.
 */
#pragma once

#include "daemon/util/der.h"
#include "daemon/worker/core/object.h"
#include "proto/limits.h"

struct inventory;

/* Where ENTRY, DROP and SETTLED go. A failure to send is the report's own to handle: the next broker asks for
 * all. */
struct report {
        void (*entry)(void *userdata, const struct message_entry *entry);
        void (*drop)(void *userdata, uint64_t number);
        void (*settled)(void *userdata, uint64_t generation);
        void *userdata;
};

/* What an operation needs of a key; a copy. */
struct inventory_key {
        uint64_t number;
        CK_OBJECT_HANDLE handle; /* of the token object */
        CK_OBJECT_HANDLE copy;   /* of the session copy; CK_INVALID_HANDLE: none */
        bool no_copy;
        bool always_authenticate;
        unsigned key_type, size, usage, flags;
};

/* -ENOMEM. Lives as long as the process. */
int inventory_new(struct inventory **ret);
/* Frees it, with no call into the module; for tests and a look. */
void inventory_free(struct inventory *inventory);
DEFINE_CLEANUP(struct inventory *, inventory_free);

/* Brings it up to date and tells the report what changed (all: everything there is). CKR_OK, or what the token
 * said: then nothing changed. CKR_USER_NOT_LOGGED_IN where the login was lost: an empty list would be a lie.
 */
CK_RV inventory_refresh(
        struct inventory *inventory, struct session *session, const struct report *report, bool all);

/* Attributes of an object were changed, which may be known as it was: the next renewal reads it again. */
void inventory_doubt(struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);

/* An object is about to be destroyed (LEAVE_NOW), was destroyed (LEAVE_DONE), or was not after all (LEAVE_NOT). */
enum leave {
        LEAVE_NOT,
        LEAVE_NOW,
        LEAVE_DONE,
};
void inventory_leave(
        struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, enum leave leave);

/* The key, to call the module with its handle. Then inventory_has_still() tells whether the handle was this key's all the
 * time: a token may give the number of a dead handle to another object, so that the result of the call may be another
 * key's, and must not leave the worker. false: no such key. */
bool inventory_key(struct inventory *inventory, uint64_t number, struct inventory_key *ret);
bool inventory_has_still(struct inventory *inventory, const struct inventory_key *key);

/* Whether any object of the token, a public key too, bears this nickname. */
bool inventory_has_nickname(struct inventory *inventory, const char *nickname);

/* The same, but the keys of this id do not count: their certificate bears their nickname. */
bool inventory_has_other_of_nickname(struct inventory *inventory, const char *nickname, struct wire_bytes id);

/* Whether a key of the token has this public key (the bits are compared), or (where the token does not show its public half) this id. */
bool inventory_has_key(struct inventory *inventory, struct der spki, struct wire_bytes id);

/* What a certificate of a key needs to know of it. */
struct inventory_public {
        uint8_t id[LIMIT_KEY_ID];
        size_t id_length;
        char label[LIMIT_NICKNAME + 1]; /* the key's own; empty where it has none that is a nickname */
        uint8_t *spki;                  /* SubjectPublicKeyInfo; the caller frees */
        size_t spki_length;
};

/* 0; 1: no such key, or none whose public half is known; -ENOMEM. */
int inventory_public(struct inventory *inventory, uint64_t number, struct inventory_public *ret);

/* The handle of a certificate; CK_INVALID_HANDLE: no such. */
CK_OBJECT_HANDLE inventory_certificate(struct inventory *inventory, uint64_t number);
/* The number of a certificate of that label, these bytes; 0: none. */
uint64_t inventory_find_certificate(struct inventory *inventory, const char *label, struct der der);

/* The number of the private key of that id and own label, whose public half is known; 0: none. */
uint64_t inventory_find(struct inventory *inventory, struct wire_bytes id, const char *label);

/* Remembers a session copy of a key, or (CK_INVALID_HANDLE) that none can be made. false: the key is gone, or
 * has one by now: the caller destroys its own. */
bool inventory_set_copy(struct inventory *inventory, uint64_t number, CK_OBJECT_HANDLE copy);
/* The copy is no more: another may be made. */
void inventory_forget_copy(struct inventory *inventory, uint64_t number, CK_OBJECT_HANDLE copy);

/* The handles that make up a pair: the private key and the public keys of its id; where several private keys
 * share the id, only those of its own label. At most n handles, private first; their count, 0: no such key.
 */
size_t inventory_pair(struct inventory *inventory, uint64_t number, CK_OBJECT_HANDLE *handles, size_t n);
