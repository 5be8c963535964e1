/* SPDX-License-Identifier: MPL-2.0 */
/* A key pair on the token, for generate.c, delete.c and reclaim.c; and objects that are found by their id or
 * label. */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/key-id.h"

/* key_id() of the public key with this handle. Errors as in session.h. */
int pair_id(struct session *session, CK_OBJECT_HANDLE public, uint8_t ret[static KEY_ID_LENGTH]);

/* Gives both halves this CKA_ID, or leaves both as they were (was: what they have now). false: both are as
 * they were, or (which is logged) they differ. */
bool pair_set_id(struct session *session, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public,
        struct wire_bytes id, struct wire_bytes was);

/* Token objects of a class with this CKA_ID or, if id.length is 0, this label: up to n handles, their count
 * in *ret. Errors as in session.h. */
int pair_search(struct session *session, CK_OBJECT_CLASS class, struct wire_bytes id, const char *label,
        CK_OBJECT_HANDLE *handles, size_t n, size_t *ret);

/* Destroys the keys of this CKA_ID whose label is the nickname or, unless shared, empty. shared: others may have the id, because a
 * client chose it. 0: none is left. Errors as in session.h. */
int pair_remove(struct operation *operation, struct wire_bytes id, const char *nickname, bool shared);

/* What became of a generate that did not end. */
struct settled {
        uint64_t number; /* of the pair in the inventory; 0: there is none, and nothing of it is left */
        bool unknown; /* there is a pair of this nickname, and it is not known who generated it: it stays */
};

/* Finds the pair by its id, and by its nickname, which nobody else had: a generate gives a new pair another
 * id at its end, and may have died between the two halves. Removes what is left of a pair that is not
 * complete. May run twice. As an operation_attempt. */
int pair_settle(struct operation *operation, const char *nickname, struct wire_bytes id, bool shared,
        struct settled *ret);

/* ---- the nickname of a pair that is there ---- */

/* Gives both halves of the key with this number another label, the private key first: from then on that is its nickname. A public
 * half that keeps the old one (which is logged) changes nothing of that. Nothing is changed unless it returns 0. Errors as in
 * session.h; CALL_FAILED with CKR_OBJECT_HANDLE_INVALID: there is no such key. */
int pair_label(struct operation *operation, uint64_t number, const char *label);

/* After a crash: the public halves of the key that has this id and this label get the label, too. Errors as in session.h. */
int pair_settle_label(struct operation *operation, const char *label, struct wire_bytes id);
