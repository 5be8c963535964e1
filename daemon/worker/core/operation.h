/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One request of the broker as a session thread runs it, and the classes of what a token answers, which
 * are applied here and nowhere else: what is tried again, what the broker is told, and when the worker must
 * end.
 *
 * A function that works on an operation returns
 *   0             done; the result is filled;
 *   CALL_FAILED   a call into the module failed (session.h). operation_run() decides what follows;
 *   more          an enum reply_status: that is the answer, and the result says the rest. operation_answer() and its like
 *                 return it. Nothing is tried again;
 *   -EAGAIN       in the first attempt: once more, at once;
 *   -errno        something of ours failed, as memory. The answer is REPLY_INTERNAL: the token is not at fault.
 */
#pragma once

#include "daemon/worker/core/inventory.h"
#include "daemon/worker/encoding/signing.h"
#include "proto/limits.h"

/* The wait before a second try when the device was short of sessions or memory: a few signatures' time. */
#define OPERATION_BUSY_WAIT_USEC 50000U

/* Bytes of an answer: the longest is what was encrypted, with its padding or tag. */
#define RESULT_PAYLOAD_MAX (LIMIT_CIPHER + 4096U)

struct result {
        enum reply_status
                status; /* filled in by operation_run(); before that it is what an attempt returns */
        CK_RV ckr;
        uint8_t payload[RESULT_PAYLOAD_MAX];
        size_t payload_length;
        const char *parameter; /* of REPLY_INVALID: which parameter of the method is wrong; NULL: not known */
        char text[256];
};

struct claimant;
struct accel;

struct operation {
        struct session *session;
        struct inventory *inventory;
        struct claimant *claimant;
        struct accel *accel;
        const struct report *report;
        struct result result;
        unsigned attempt; /* 1: the first; set by operation_run() */
        CK_RV destroy_failed; /* what the first C_DestroyObject of this request that failed returned; CKR_OK: none did */
        bool ending; /* the worker ends after the reply, because of failure */
        struct failure failure;
};

/* One attempt. What it returns is explained above. */
typedef int operation_attempt(struct operation *operation, const void *request);

/* Runs the attempt once, and once more if the token's answer was of class session (after a recovery), busy (after a short
 * wait) or vague (after that, in another session). Afterwards the result is complete, and operation->ending says whether the worker must
 * end. */
void operation_run(struct operation *operation, operation_attempt *attempt, const void *request);

/* ---- what an attempt returns ---- */

/* Answers with this status and a sentence. Returns the status. */
int operation_answer(struct operation *operation, enum reply_status status, const char *format, ...)
        _printf_(3, 4);

/* REPLY_INVALID: this parameter of the method is wrong. The name is borrowed. */
int operation_invalid(struct operation *operation, const char *parameter, const char *format, ...)
        _printf_(3, 4);

/* REPLY_CKR with this ckr: the token refused this request, and nothing is tried again. */
int operation_refused(struct operation *operation, CK_RV ckr, const char *format, ...) _printf_(3, 4);

/* An operation that changes the token failed in its middle; r is what it returned. If the token's answer was
 * of class device, session or PIN the worker ends, and the broker has the next one settle the operation.
 * Otherwise the answer is REPLY_OUTCOME_UNKNOWN. Returns the status: nothing is tried again. */
int operation_unknown(struct operation *operation, int r, const char *what);

/* What operation_run() makes of r that is not 0, for who cannot let it decide: the result is complete.
 * Returns the status. */
int operation_conclude(struct operation *operation, int r);

/* The worker ends after the reply. The reason is "WHY: CKR_NAME (CALL)". */
void operation_end(struct operation *operation, enum worker_end end, CK_RV ckr, const char *why);

/* ---- what attempts share ---- */

/* After an answer of class session, in the middle of an attempt: a new session, one login, the inventory
 * renewed. 0; or as above, where an answer means that the worker ends. */
int operation_recover(struct operation *operation);

/* After a change that was made: renews the inventory, with one recovery if it must. 0; else the answer of
 * operation_unknown(). */
int operation_renew(struct operation *operation);

/* C_DestroyObject of a token object, and again, for some 750 ms, while a session that is well gives a vague error. What other threads do
 * with its handle meanwhile fails inventory_has_still(). */
int operation_destroy(struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle);

/* The answer where the object is not in the inventory: REPLY_KEY_GONE. If this request's C_DestroyObject failed before,
 * it is not known whether the object is gone: some modules forget its handle, and show it again to the next process. */
int operation_gone(struct operation *operation, const char *text);

/* signing_init(), and the answer if the algorithm or the data does not fit. */
int operation_prepare(struct operation *operation, struct signing *signing, const struct to_sign *what,
        unsigned key_type, unsigned bits);

/* C_SignInit and C_Sign with that object. The payload is the signature, checked for its length and in the
 * form in which it leaves. */
int operation_sign(struct operation *operation, struct signing *signing, CK_OBJECT_HANDLE handle);

/* r: what a step that may be repeated returned, the tries-th time. Whether it is worth another try: it was of class busy or vague. Then it has
 * waited, and after a vague error taken another session. */
#define OPERATION_TRIES 3U
bool operation_tries_again(struct operation *operation, int r, unsigned tries);

/* Answers with a number (u64), of a key or a certificate in the inventory. Returns 0. */
int operation_answer_number(struct operation *operation, uint64_t number);

/* clang-format off */
/* One attempt for each operation of message.h; request points to its message. ops/ has those of keys and
 * certificates, secrets/ those of secret and sealed keys, accel/ those of copies; REFRESH is in report.c. */
#define OPERATION_ATTEMPT_(NAME, lower, class, answer, fields) operation_attempt lower##_attempt;
OPERATIONS(OPERATION_ATTEMPT_, )
#undef OPERATION_ATTEMPT_
/* clang-format on */
