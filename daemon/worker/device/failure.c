/* SPDX-License-Identifier: MPL-2.0 */
/* See failure.h. */
#include "daemon/worker/device/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/ckr.h"

int failure_set(struct failure *failure, enum worker_end end, CK_RV ckr, const char *format, ...)
{
        va_list args;

        failure->end = end;
        failure->ckr = ckr;
        va_start(args, format);
        vsnprintf(failure->reason, sizeof(failure->reason), format, args);
        va_end(args);
        return (int)end;
}

int failure_ckr(struct failure *failure, CK_RV ckr, const char *what)
{
        char name[CKR_TEXT];
        enum worker_end end = WORKER_END_ERROR;

        switch (ckr_class(ckr)) {
        case CKR_CLASS_PIN:
                end = WORKER_END_PIN;
                break;
        case CKR_CLASS_DEVICE:
                /* The device was removed, or is not there or not well yet: the supervisor tries again soon. */
                end = ckr == CKR_TOKEN_NOT_PRESENT || ckr == CKR_DEVICE_REMOVED || ckr == CKR_SLOT_ID_INVALID
                              ? WORKER_END_ABSENT
                              : WORKER_END_DEVICE;
                break;
        default:
                break;
        }
        return failure_set(failure, end, ckr, "%s: %s", what, ckr_text(ckr, name));
}

int failure_errno(struct failure *failure, int error)
{
        if (error == -E2BIG)
                return failure_set(failure, WORKER_END_FULL, 0,
                        "the token lists more than %u objects of one class, and tokend keeps no more",
                        LIMIT_OBJECTS);
        return failure_set(
                failure, WORKER_END_ERROR, 0, "%s", error == -ENOMEM ? "out of memory" : strerror(-error));
}
