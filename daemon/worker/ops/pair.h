/* SPDX-License-Identifier: MPL-2.0 */
/* A pair on the token, for generate.c and delete.c; and how objects are searched. */
#pragma once

#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/key-id.h"

/* key_id() of the public key with this handle. */
CK_RV pair_id(struct session *session, CK_OBJECT_HANDLE public, uint8_t ret[static KEY_ID_LENGTH]);

/* Gives both halves this CKA_ID, or leaves both as they were (was: what they have now). false: neither, or
 * (logged) they differ. */
bool pair_set_id(struct session *session, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public,
        struct wire_bytes id, struct wire_bytes was);

/* Token objects of a class with this CKA_ID (or, where id.length is 0, this label): up to n handles, their
 * count into *ret. */
CK_RV pair_search(struct session *session, CK_OBJECT_CLASS class, struct wire_bytes id, const char *label,
        CK_OBJECT_HANDLE *handles, size_t n, size_t *ret);

/* Destroys the keys of this CKA_ID whose label is the nickname or empty: another key may have the same id. CKR_OK: none
 * is left. */
CK_RV pair_remove(struct operation *operation, struct wire_bytes id, const char *nickname);

/* After a change that was made: brings the inventory up to date, through one recovery of the session if it
 * must. Where that fails the result is REPLY_OUTCOME_UNKNOWN, the worker ends if the class says so, and this
 * returns false. */
bool pair_renew(struct operation *operation);
