/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is on the token: its keys and certificates, joined by CKA_ID, and what the broker was told of them.
 * Any thread may renew it (one at a time) and look keys up (under a lock that is never held over a call into
 * the module).
 *
 * A renewal lists all handles and reads the attributes of new ones only. A token may give the handle of an
 * object that is gone to another object. So every renewal reads a few known objects again, all of them in
 * turn; and an object that comes back under another handle (after a login was lost) keeps its number only if
 * all of its attributes are the same.
 */
#pragma once

#include "daemon/util/der.h"
#include "daemon/worker/core/object.h"
#include "proto/limits.h"

struct inventory;

/* Where ENTRY, DROP and SETTLED go. The functions deal with a failure to send themselves: the next broker
 * asks for everything. */
struct report {
        void (*entry)(void *userdata, const struct message_entry *entry);
        void (*drop)(void *userdata, uint64_t number);
        void (*settled)(void *userdata, uint64_t generation);
        void (*sessions)(void *userdata); /* what SESSIONS says has changed */
        void *userdata;
};

/* What an operation needs to know of a key. key_type, size: of a secret key as in struct object. */
struct inventory_key {
        uint64_t number;
        CK_OBJECT_HANDLE handle; /* the token object */
        enum copy_verdict trial; /* whether a session copy is faster */
        bool always_authenticate;
        bool restricted; /* to some mechanisms: inventory_allows() */
        unsigned key_type, size, usage, flags;
};

/* -ENOMEM. Lives as long as the process. */
int inventory_new(struct inventory **ret);
/* Frees it without a call into the module; for tests and a look. */
void inventory_free(struct inventory *inventory);
DEFINE_CLEANUP(struct inventory *, inventory_free);

/* Brings it up to date and reports what changed (all: everything there is). Errors as in session.h: then
 * nothing changed. If the login was lost it fails with CKR_USER_NOT_LOGGED_IN, because a list without private
 * keys would be wrong. report may be NULL: then nothing is reported. */
int inventory_refresh(
        struct inventory *inventory, struct session *session, const struct report *report, bool all);

/* Between these two no other thread renews it: what the caller changes meanwhile is reported as one change. */
void inventory_hold(struct inventory *inventory);
void inventory_release(struct inventory *inventory);

/* Attributes of an object were changed: the next renewal reads it again. */
void inventory_doubt(struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);

/* The object is about to be destroyed (LEAVE_NOW), was destroyed (LEAVE_DONE), or was not destroyed after all
 * (LEAVE_NOT). */
enum leave {
        LEAVE_NOT,
        LEAVE_NOW,
        LEAVE_DONE,
};
void inventory_leave(
        struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, enum leave leave);

/* Looks a key up, for calls into the module with its handle. After the calls inventory_has_still() tells
 * whether the handle was this key's all the time. If not, it may have become another key's handle, and the
 * result must not leave the worker. false: there is no such key. */
bool inventory_key(struct inventory *inventory, uint64_t number, struct inventory_key *ret);
/* Whether the key may be used with that mechanism (CKA_ALLOWED_MECHANISMS). A key that is gone may not. */
bool inventory_allows(struct inventory *inventory, uint64_t number, CK_MECHANISM_TYPE mechanism);
/* Likewise a secret key that a client may name: not one of tokend's own. */
bool inventory_secret(struct inventory *inventory, uint64_t number, struct inventory_key *ret);
bool inventory_has_still(struct inventory *inventory, const struct inventory_key *key);

/* Whether an object of the token, a public key too, bears this nickname. id: of SCOPE_OTHERS. known: marks (certificate_mark()) of
 * certificates that may bear it. */
bool inventory_has_nickname(struct inventory *inventory, const char *nickname, enum nickname_scope scope,
        struct wire_bytes id, struct wire_bytes known);

/* Whether any object has this id. */
bool inventory_has_id(struct inventory *inventory, struct wire_bytes id);

/* Whether a key of the token has this public key (the bits are compared) or, if the token does not show its
 * public half, this id. */
bool inventory_has_key(struct inventory *inventory, struct der spki, struct wire_bytes id);

/* A secret key of tokend's own, by its whole label (OBJECT_RESERVED) and, where id.length is not 0, its CKA_ID; else the one with
 * the lowest id. Its id has id_size bytes, which are written to ret_id. false: there is none. */
bool inventory_reserved(struct inventory *inventory, const char *label, struct wire_bytes id, size_t id_size,
        struct inventory_key *ret, uint8_t *ret_id);
/* The number of the secret key with that id and that label; 0: there is none. */
uint64_t inventory_find_secret(struct inventory *inventory, struct wire_bytes id, const char *label);

/* What a certificate needs to know of its key. */
struct inventory_public {
        uint8_t id[LIMIT_KEY_ID];
        size_t id_length;
        char label[LIMIT_NICKNAME + 1]; /* the key's own; empty if that cannot be a nickname */
        uint8_t *spki;                  /* SubjectPublicKeyInfo; the caller frees */
        size_t spki_length;
};

/* 1: there is no such key, or its public half is not known. -ENOMEM. */
int inventory_public(struct inventory *inventory, uint64_t number, struct inventory_public *ret);

/* The handle of a certificate; CK_INVALID_HANDLE: there is no such certificate. */
CK_OBJECT_HANDLE inventory_certificate(struct inventory *inventory, uint64_t number);
/* Handles of the certificates with that label and one of these marks, for that public key: n of them at most; returns their
 * count. */
size_t inventory_marked(struct inventory *inventory, const char *label, struct wire_bytes marks,
        struct der spki, CK_OBJECT_HANDLE *handles, size_t n);
/* Whether another certificate than this one (der), or this one under another label, has that issuer and serial number, as elements of
 * DER. */
bool inventory_has_issued(
        struct inventory *inventory, struct der issuer, struct der serial, struct der der, const char *label);
/* The number of the certificate with that label, these bytes and (unless it is empty) that id; 0: there is
 * none. */
uint64_t inventory_find_certificate(
        struct inventory *inventory, const char *label, struct der der, struct wire_bytes id);

/* The number of the private key with that id and that label of its own, if its public half is known; 0: there
 * is none. */
uint64_t inventory_find(struct inventory *inventory, struct wire_bytes id, const char *label);

/* The caller makes the trial of the key: COPY_OPEN becomes COPY_UNDER_WAY. false: it is not open any more. */
bool inventory_begin_trial(struct inventory *inventory, const struct inventory_key *key);
/* What came of it; COPY_OPEN: nothing, and the next use tries again. */
void inventory_end_trial(
        struct inventory *inventory, const struct inventory_key *key, enum copy_verdict verdict);
/* Whether the token has any object with this handle, as far as it was read. */
bool inventory_has_handle(struct inventory *inventory, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);

/* The handles of a pair: the private key, the public keys of its id, and those that its label gives it (join.h). If several
 * private keys share the id, only public keys with the key's own label. At most n handles, the private key first; returns their count.
 * 0: there is no such key. */
size_t inventory_pair(struct inventory *inventory, uint64_t number, CK_OBJECT_HANDLE *handles, size_t n);
