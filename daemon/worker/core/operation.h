/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One request as a session thread runs it, and the rule of the five classes of errors (docs/lifecycle.md), which is applied
 * here and nowhere else: what is tried again, what the broker is told, and when the worker must end.
 */
#pragma once

#include "daemon/worker/core/inventory.h"
#include "daemon/worker/encoding/signing.h"
#include "proto/limits.h"

/* Before a second try where the device was short of sessions or memory: a few signatures' time. */
#define OPERATION_BUSY_WAIT_USEC 50000U

/* Bytes of an answer: the longest is a request with LIMIT_DNS_NAMES names. */
#define RESULT_PAYLOAD_MAX (32U * 1024U)

struct result {
        enum reply_status status;
        CK_RV ckr;
        uint8_t payload[RESULT_PAYLOAD_MAX];
        size_t payload_length;
        char text[256];
};

struct claimant;
struct accel;

struct operation {
        struct session *session;
        struct inventory *inventory;
        struct claimant *claimant;
        struct accel *accel; /* accel.h */
        const struct report *report;
        struct result result;
        bool ending; /* after the reply the worker ends, for this reason */
        struct failure failure;
};

/* One attempt: CKR_OK with the result filled (any status: REPLY_KEY_GONE is an answer), else what the token
 * said. */
typedef CK_RV operation_attempt(struct operation *operation, const void *request);

/* Runs it once, and once more after class session (recovered, inventory renewed) or busy (a short wait).
 * Afterwards result is whole, and ending says whether the worker must end. */
void operation_run(struct operation *operation, operation_attempt *attempt, const void *request);

/* Sets status and text of the result; returns CKR_OK, so that an attempt can return what it answers. */
CK_RV operation_answer(struct operation *operation, enum reply_status status, const char *format, ...)
        _printf_(3, 4);

/* An operation that changes the token failed in its middle. Where the class is device, session or PIN the worker
 * ends, and the broker has the next one settle it; else REPLY_OUTCOME_UNKNOWN. Returns CKR_OK: nothing is tried
 * again here. */
CK_RV operation_unknown(struct operation *operation, CK_RV rv, const char *what);

/* Class session, in the middle of an attempt: a new session, one login, the inventory renewed. CKR_OK, or what the token
 * said: then the result says it too, and ending whether the worker must end. */
CK_RV operation_recover(struct operation *operation);

/* C_DestroyObject of a token object. What other threads do with its handle meanwhile fails inventory_has_still(). */
CK_RV operation_destroy(struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);

/* After the reply the worker ends, for this reason: WHY: CKR_NAME. */
void operation_end(struct operation *operation, enum worker_end end, CK_RV ckr, const char *why);

/* C_SignInit and C_Sign with that object; the signature, checked for its length and in the form in which it leaves, is the
 * operation's result. */
CK_RV operation_sign(struct operation *operation, struct signing *signing, CK_OBJECT_HANDLE handle);

/* clang-format off */
/* One attempt for each operation of message.h; request points to its message. ops/ has those of keys and certificates, accel/
 * those of copies; REFRESH is in report.c. */
#define OPERATION_ATTEMPT_(NAME, lower, class, answer, fields) operation_attempt lower##_attempt;
OPERATIONS(OPERATION_ATTEMPT_, )
#undef OPERATION_ATTEMPT_
/* clang-format on */
