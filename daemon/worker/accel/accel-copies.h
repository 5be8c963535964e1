/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The copies of keys that this accelerator holds: which object each is, whose, and which was used least recently. Makes no
 * call into the module: who takes a copy out gets its handle to destroy. Thread-safe.
 *
 * A handle is given out only between copies_use() and copies_release(), and never destroyed meanwhile: a token may give
 * the number of a dead handle to another object.
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

/* At most max of them. first: where numbers begin, at random, so that no number of another life is one of this. -ENOMEM. */
int copies_new(unsigned max, uint64_t first, struct copies **ret);
void copies_free(struct copies *copies);
DEFINE_CLEANUP(struct copies *, copies_free);

/* false: no such copy. */
bool copies_use(struct copies *copies, uint64_t number, struct copy_key *ret);
/* true: it was taken out meanwhile and nobody else uses it; the caller destroys the object. *ret_lost: its object was lost
 * meanwhile, and what was done with the handle may have been done with another object. */
bool copies_release(struct copies *copies, const struct copy_key *key, bool *ret_lost);

/* The copy of that token's key with this public half, for a broker that will know of it from now on; 0: none. */
uint64_t copies_find(struct copies *copies, const char *token, struct wire_bytes spki);

/* Takes one in; its number into key. Where all places were taken the one that was used least recently is out: its number in
 * *ret_out (0: none), its handle in *ret_handle, to be destroyed (CK_INVALID_HANDLE: copies_release() will say). -ENOMEM: it
 * is not in. */
int copies_add(struct copies *copies, const char *token, struct wire_bytes spki, struct copy_key *key,
        uint64_t *ret_out, CK_OBJECT_HANDLE *ret_handle);

/* Takes one out; its handle to be destroyed (CK_INVALID_HANDLE: as above). false: no such copy. */
bool copies_remove(struct copies *copies, uint64_t number, CK_OBJECT_HANDLE *ret_handle);

/* Takes out the one that was used least recently, as copies_remove(). false: there is none. */
bool copies_evict(struct copies *copies, uint64_t *ret_number, CK_OBJECT_HANDLE *ret_handle);

/* There is a new broker, which knows of no copy until it asks for it (copies_find()): it has time for that until then. */
void copies_disown(struct copies *copies, uint64_t until_usec);
/* Takes out one that was not asked for in time, as copies_remove(). false: there is none. */
bool copies_abandoned(struct copies *copies, uint64_t now_usec, CK_OBJECT_HANDLE *ret_handle);

/* All objects are gone from the token, or as good as. */
void copies_clear(struct copies *copies);
/* How often that was. */
unsigned copies_n_clears(struct copies *copies);
