/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The sealed keys that a session has open: a small table of session objects, so that a key in use costs no opening. Each
 * session has its own, the owner's alone; the least recently used key goes. What is in it was authentic when it came in, and
 * is found by all of its bytes alone. Errors as in session.h.
 */
#pragma once

#include "daemon/channel/sealed.h"
#include "daemon/worker/device/session.h"

/* A key that is open. */
struct opened_key {
        CK_OBJECT_HANDLE handle;
        unsigned type, usage, size; /* as in struct sealed */
};

/* false: it is not open. */
bool opened_find(struct session *session, struct wire_bytes sealed, struct opened_key *ret);

/* Takes the object over; the bytes are copied. -ENOMEM: it was destroyed. */
int opened_put(struct session *session, struct wire_bytes sealed, const struct opened_key *key);

/* Destroys all of them. */
void opened_clear(struct session *session);
