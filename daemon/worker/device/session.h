/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One long-lived PKCS #11 session, owned by one thread, and how that thread calls the module: through P11(),
 * so that the monitor sees which call is made and since when, and the time in the module is counted.
 *
 * A function that calls the module through a session returns
 *   0             done;
 *   CALL_FAILED   a call did not return CKR_OK: session->failed says which call, and what it returned;
 *   -errno        something of ours failed, as memory; the module is not at fault.
 */
#pragma once

#include "daemon/util/ckr.h"
#include "daemon/worker/device/slot-token.h"

/* Positive, and no enum reply_status that an operation is answered with (see operation.h). */
#define CALL_FAILED 1

struct failed_call {
        CK_RV ckr;
        const char *call; /* its name; NULL: none failed yet */
        enum ckr_class class;
};

struct session {
        struct slot_token *token;
        CK_SESSION_HANDLE handle;
        uint64_t n_opens; /* tells this session from those before it, which may have had the same handle */
        bool read_only;
        bool asked;                /* it is being asked how it is, after a call that failed */
        uint64_t device_usec;      /* spent in the module since the owner set it to 0; the owner's alone */
        struct failed_call failed; /* the last call that did not return CKR_OK; the owner's alone */
        /* Public keys as objects of this session, on an accelerator (accel-public.h); NULL: none yet. The
         * owner's alone. */
        struct public_cache *publics;
        /* Sealed keys that are open as objects of this session (opened.h); NULL: none yet. The owner's alone. */
        struct opened_table *opened;
        /* Copies of private keys as objects of this session (session-copy.h); NULL: none yet. The owner's alone. */
        struct copy_table *copies;
        /* For the monitor. call_since 0: not in the module. */
        _Atomic uint64_t call_since_usec;
        _Atomic uint64_t call_limit_usec;
        _Atomic(const char *) call_name;
};

/* A call into the module: P11(session, C_SignInit, session->handle, &mechanism, key). 0 or CALL_FAILED. After an answer
 * of class device, C_GetSessionInfo and C_GetTokenInfo are asked: if both are well the class is CKR_CLASS_VAGUE. */
#define P11(session, function, ...)                                                                          \
        ({                                                                                                   \
                session_enter((session), #function);                                                         \
                session_leave((session), #function, (session)->token->p11->function(__VA_ARGS__));           \
        })

void session_enter(struct session *session, const char *name);
int session_leave(struct session *session, const char *name, CK_RV rv);

/* Records a call that failed, or what counts as one. Returns CALL_FAILED. */
int session_fail(struct session *session, CK_RV ckr, const char *call);

/* r: what a function returned that calls the module through this session. */
static inline bool session_said(const struct session *session, int r, CK_RV ckr)
{
        return r == CALL_FAILED && session->failed.ckr == ckr;
}

/* CKR_CLASS_OK unless r is CALL_FAILED. */
static inline enum ckr_class session_class(const struct session *session, int r)
{
        return r == CALL_FAILED ? session->failed.class : CKR_CLASS_OK;
}

/* r where *failure is to be filled (see failure.h): CALL_FAILED does it, "WHAT: CKR_NAME"; anything else is
 * returned. what NULL: the call's name. */
int session_failure(const struct session *session, int r, const char *what, struct failure *failure);

/* For the monitor: after how many microseconds to look again; 0: the call that is in the module was begun
 * before now and has outlived its limit, *ret_limit. */
uint64_t session_overdue(const struct session *session, uint64_t now, uint64_t *ret_limit);

/* Read/write if the token allows it, else read-only. CALL_FAILED with CKR_SESSION_COUNT: the token has no
 * more sessions. */
int session_open(struct session *session, struct slot_token *token);
void session_close(struct session *session);

/* Opens another session in its place, for what failed in it although it is well. It stays as it is if there is no other,
 * and if objects may belong to it. What was recorded of the failed call stays. */
void session_exchange(struct session *session);

/* After a call that failed: whether the session and the token say that they are well, so that the error is about what the
 * call was for. P11() asks this after an error of class device. What was recorded of that call stays. */
bool session_is_well(struct session *session);

/* Asks the session how it is. 0: it is there, and logged in if the token wants that. CALL_FAILED with
 * CKR_USER_NOT_LOGGED_IN: it is there and not logged in. */
int session_check(struct session *session);

/* After a second failure of class session, in a session that was opened for it: if it is well the failure is not about it, but about
 * what was called. Then its class is vague. */
void session_reconsider(struct session *session, int r);

/* C_DestroyObject while something else is being cleaned up: what was recorded of a failed call stays.
 * CK_INVALID_HANDLE is fine. */
void session_destroy(struct session *session, CK_OBJECT_HANDLE handle);

/* The objects that a template finds: up to max handles, their count in *ret. */
int session_find(struct session *session, CK_ATTRIBUTE *template, size_t n_template,
        CK_OBJECT_HANDLE *handles, size_t max, size_t *ret);

/* The same for any number of objects: found() gets them, some at a time. What it returns but 0 ends the
 * search and is returned. -E2BIG: there are more than LIMIT_OBJECTS. */
int session_find_all(struct session *session, CK_ATTRIBUTE *template, size_t n_template,
        int (*found)(void *userdata, const CK_OBJECT_HANDLE *handles, size_t n), void *userdata);
