/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Claims as objects on the token: written, found, read, destroyed. Raw calls on the caller's session; used by
 * the session threads (create-under-claim.c, ops/reclaim.c) and by a look (nickname-check.c). claim-record.c
 * knows what a claim means. Errors as in session.h.
 */
#pragma once

#include "daemon/worker/claims/claim-record.h"
#include "daemon/worker/device/session.h"

/* Claims that are read, at most. There is one for each host that creates something now, or crashed while it
 * did. */
#define CLAIMS_MAX 256U

/* What one object of the token says. */
struct claim_object {
        CK_OBJECT_HANDLE handle;
        char nickname[LIMIT_NICKNAME + 1]; /* empty if its label cannot be one */
        bool readable;                     /* claim is filled in */
        CK_RV unreadable; /* what the token answered instead of its attributes; CKR_OK: they were read */
        struct claim_record claim;
};

/* Writes the claim. After an error it is not known whether the claim is there. */
int claims_write(struct session *session, const char *nickname, const struct claim_record *claim,
        CK_OBJECT_HANDLE *ret);

/* Whether r of claims_write() means that the token takes no data objects. */
bool claims_not_held(const struct session *session, int r);

/* Handles of the claims on the nickname (NULL: on any). CLAIMS_MAX of them: there may be more. */
int claims_find(struct session *session, const char *nickname, CK_OBJECT_HANDLE handles[static CLAIMS_MAX],
        size_t *ret_n);

/* If the token does not give it, although it and the session are well, that is no error: it is not readable,
 * and `unreadable` says why. CALL_FAILED with CKR_OBJECT_HANDLE_INVALID: it was withdrawn meanwhile, or the handle is
 * another object's. */
int claims_read(struct session *session, CK_OBJECT_HANDLE handle, struct claim_object *ret);

/* Destroys the claim with this claimant and number if it is what the handle stands for (*ret_was_there, else untouched).
 * A module may give a new object the handle of another one (docs/tokens.md), which must not be destroyed instead. */
int claims_destroy_at(struct session *session, CK_OBJECT_HANDLE handle, const struct claim_record *claim,
        bool *ret_was_there);

/* Destroys every claim on the nickname with this claimant and number. 0: none of them is left. CALL_FAILED with
 * CKR_DEVICE_MEMORY: it was not found, and more claims lie there than are read. */
int claims_destroy(struct session *session, const char *nickname, const struct claim_record *claim);
