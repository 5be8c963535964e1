/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Why the worker cannot start or cannot go on: what ENDING tells the supervisor. A function with a `struct
 * failure *` returns
 *   0          done;
 *   positive   it cannot: *failure says why. The value is the enum worker_end in it;
 *   -ENOMEM    *failure is untouched. Whoever ends the worker fills it with failure_errno().
 */
#pragma once

#include <nss/pkcs11.h>

#include "daemon/channel/message.h"

struct failure {
        enum worker_end end;
        CK_RV ckr;        /* what the module returned; 0: no call of it failed */
        char reason[512]; /* a sentence for people */
};

/* Fills it and returns end. */
int failure_set(struct failure *failure, enum worker_end end, CK_RV ckr, const char *format, ...)
        _printf_(4, 5);

/* After a call into the module that did not return CKR_OK: the class of ckr decides the end, the reason is
 * "WHAT: CKR_NAME". */
int failure_ckr(struct failure *failure, CK_RV ckr, const char *what);

/* After -errno: WORKER_END_ERROR; after the -E2BIG of session_find_all(): WORKER_END_FULL. */
int failure_errno(struct failure *failure, int error);
