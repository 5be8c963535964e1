/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Creates an object under a nickname that nothing else bears, on whatever host: the steps of docs/claims.md,
 * which tests/model checks. For ops/generate.c, ops/cert-store.c and secrets/, in a session thread; one thread
 * of the worker creates at a time.
 */
#pragma once

#include "daemon/worker/claims/claim-record.h"
#include "daemon/worker/core/operation.h"

struct creation {
        const char *nickname;
        enum claim_kind kind;
        struct wire_bytes id; /* CKA_ID that the object will have */
        enum nickname_scope
                scope; /* what else must not bear the nickname; of SCOPE_OTHERS, but for the keys of that id */
        struct wire_bytes known; /* marks of the certificates that may bear it (certificate_mark()) */
        bool waits;              /* an earlier try was answered REPLY_CLAIMED */
        /* As an operation_attempt. 0, or an answer: the object was created, or it was not;
         * REPLY_OUTCOME_UNKNOWN: that is not known. CALL_FAILED of class request or busy, and -errno: nothing
         * of the object is left, or it is to stay. CALL_FAILED of another class: that is not known. */
        int (*create)(struct operation *operation, const void *request);
        /* Removes what may be left of the object, if that is not known. 0: nothing is left. */
        int (*remove)(struct operation *operation, const void *request);
        const void *request;
};

/* As an operation_attempt. One creation at a time: another waits, whichever broker sent it. */
int create_under_claim(struct operation *operation, const struct creation *creation);
