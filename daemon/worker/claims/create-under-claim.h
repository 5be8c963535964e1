/* SPDX-License-Identifier: MPL-2.0 */
/*
 * An object under a nickname that nothing else bears, on whatever host: the steps of docs/claims.md, which
 * tests/model checks. For ops/generate.c and ops/cert-store.c, in a session thread, one at a time (the broker sees to
 * it).
 */
#pragma once

#include "daemon/worker/claims/claim-record.h"
#include "daemon/worker/core/operation.h"

struct creation {
        const char *nickname;
        enum claim_kind kind;
        struct wire_bytes id; /* CKA_ID that it will have */
        bool paired;          /* keys of that id bear the nickname, and a certificate is made for them */
        bool waits;           /* an earlier try was answered REPLY_CLAIMED */
        /* CKR_OK with the result filled: it was made, or answered, or (REPLY_OUTCOME_UNKNOWN) it cannot be told. Class
         * request or busy: nothing of it is left. Any other: it cannot be told. */
        CK_RV (*create)(struct operation *operation, const void *request);
        /* Removes what there may be of it, after one that cannot be told. CKR_OK: nothing is left. */
        CK_RV (*remove)(struct operation *operation, const void *request);
        const void *request;
};

/* CKR_OK with the result filled, or what the token said; as an operation_attempt. */
CK_RV create_under_claim(struct operation *operation, const struct creation *creation);
