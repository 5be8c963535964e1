/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Session copies of private keys (SessionCopies=): some tokens sign faster with a session object than with the key itself
 * (docs/tokens.md). Each session has a table of its own, the owner's alone: a copy is used in the session that made it and in no other, so
 * that a session that was lost takes its copies along, and a handle never means another object.
 *
 * A copy has the same attributes that protect as its key (protection.h), read back when it was made. They are read again, of the key, when
 * Refresh= has passed: a key that is gone, or was changed, by another process is not used any longer than that.
 */
#pragma once

#include "daemon/worker/core/operation.h"

/* The object to use for the key now: the key itself or, where its trial was won or is under way by this thread (tries), its copy, which is
 * made where it is missing. A copy that cannot be had is no error. */
CK_OBJECT_HANDLE session_copy_object(
        struct operation *operation, const struct inventory_key *key, bool tries);

/* The copy failed at what the key itself may do: it goes, and there is none for Refresh=. */
void session_copy_refuse(struct session *session, const struct inventory_key *key);

/* Destroys the copies of keys that are gone. */
void session_copy_tidy(struct session *session, struct inventory *inventory);
/* Destroys all copies of this session: the device needs their room. */
void session_copy_clear(struct session *session);
