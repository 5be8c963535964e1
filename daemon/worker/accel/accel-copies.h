/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The copies of keys that this accelerator holds: the object of each, whose it is, and which was used least
 * recently. Makes no call into the module: who takes a copy out gets its handle, to destroy it. Thread-safe.
 *
 * A handle may be used only between copies_use() and copies_release(), and is not destroyed meanwhile: a
 * token may give the handle of an object that is gone to another object.
 */
#pragma once

#include <nss/pkcs11.h>
#include <stdbool.h>

#include "daemon/channel/wire.h"

struct copies;

struct copy_key {
        uint64_t number;
        CK_OBJECT_HANDLE handle;
        unsigned key_type, size;
};

/* For at most max copies. first: the number to begin with, which is random, so that no number of another life
 * of the worker is used again. -ENOMEM. */
int copies_new(unsigned max, uint64_t first, struct copies **ret);
void copies_free(struct copies *copies);
DEFINE_CLEANUP(struct copies *, copies_free);

/* false: there is no such copy. */
bool copies_use(struct copies *copies, uint64_t number, struct copy_key *ret);
/* true: the copy was taken out meanwhile, and nobody else uses it: the caller destroys the object. *ret_lost:
 * the object was lost meanwhile, and what was done with its handle may have been done with another object. */
bool copies_release(struct copies *copies, const struct copy_key *key, bool *ret_lost);

/* The copy of that token's key with this public half, for a broker that knows of it from now on; 0: there is
 * none. */
uint64_t copies_find(struct copies *copies, const char *token, struct wire_bytes spki);

/* Takes a copy in and sets key->number. If there is no room the copy that was used least recently is taken
 * out: *ret_out is its number (0: none), *ret_handle its handle, to be destroyed (CK_INVALID_HANDLE: it is in
 * use, and copies_release() will say so). -ENOMEM: the copy was not taken in. */
int copies_add(struct copies *copies, const char *token, struct wire_bytes spki, struct copy_key *key,
        uint64_t *ret_out, CK_OBJECT_HANDLE *ret_handle);

/* Takes a copy out; its handle is to be destroyed (CK_INVALID_HANDLE: as above). false: there is no such
 * copy. */
bool copies_remove(struct copies *copies, uint64_t number, CK_OBJECT_HANDLE *ret_handle);

/* Takes out the copy that was used least recently, as copies_remove(). false: there is none. */
bool copies_evict(struct copies *copies, uint64_t *ret_number, CK_OBJECT_HANDLE *ret_handle);

/* A new broker knows no copy until it asks for it (copies_find()). It has until then to ask for each. */
void copies_disown(struct copies *copies, uint64_t until_usec);
/* Takes out a copy that was not asked for in time, as copies_remove(). false: there is none. */
bool copies_abandoned(struct copies *copies, uint64_t now_usec, CK_OBJECT_HANDLE *ret_handle);

/* All objects are gone from the token, or have to be considered gone. */
void copies_clear(struct copies *copies);
/* How often copies_clear() was called. */
unsigned copies_n_clears(struct copies *copies);
