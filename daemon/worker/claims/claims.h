/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Claims as objects on the token: written, found, read, destroyed. Raw calls on the caller's session; used by the
 * session threads (create-under-claim.c, ops/reclaim.c) and by a look (nickname-check.c). What a claim means is claim-record.c's.
 */
#pragma once

#include "daemon/worker/claims/claim-record.h"
#include "daemon/worker/device/session.h"

/* Claims on one token that are looked at; there is one for each host that makes something now, or crashed in it. */
#define CLAIMS_MAX 256U

/* What one object of the token says. */
struct claim_object {
        CK_OBJECT_HANDLE handle;
        char nickname[LIMIT_NICKNAME + 1]; /* empty where its label is none */
        bool readable;                     /* claim is filled */
        struct claim_record claim;
};

/* Writes the claim. CKR_OK, or what the token said; whether it is there after an error is not known. */
CK_RV claims_write(struct session *session, const char *nickname, const struct claim_record *claim,
        CK_OBJECT_HANDLE *ret);

/* Whether such an answer to claims_write() means that the token takes no data objects. */
bool claims_not_held(CK_RV rv);

/* Handles of all claims on the nickname (NULL: on any). CKR_DEVICE_MEMORY: more than CLAIMS_MAX. */
CK_RV claims_find(struct session *session, const char *nickname, CK_OBJECT_HANDLE handles[static CLAIMS_MAX],
        size_t *ret_n);

/* CKR_OBJECT_HANDLE_INVALID: it was withdrawn meanwhile. */
CK_RV claims_read(struct session *session, CK_OBJECT_HANDLE handle, struct claim_object *ret);

/* Destroys every claim on the nickname that claimant and number fit. CKR_OK: none of them is left. */
CK_RV claims_destroy(struct session *session, const char *nickname, const struct claim_record *claim);
