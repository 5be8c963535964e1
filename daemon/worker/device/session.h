/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One long-lived PKCS #11 session, owned by one thread, and how that thread calls the module: through P11(),
 * so that the monitor sees what is being called and since when, and device time is counted. Recovery of a
 * session that was lost is here too.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

struct session {
        struct slot_token *token;
        CK_SESSION_HANDLE handle;
        uint64_t n_opens; /* tells the session from those before it, whose handle it may have */
        bool read_only;
        const char *failed_name; /* of the last call that did not return CKR_OK; the owner's alone */
        uint64_t device_usec;    /* in the module since its owner set it to 0; the owner's alone */
        struct public_cache
                *publics; /* of an accelerator (accel-public.h); NULL: none yet; the owner's alone */
        /* For the monitor. call_since 0: not in the module. */
        _Atomic uint64_t call_since_usec;
        _Atomic uint64_t call_limit_usec;
        _Atomic(const char *) call_name;
};

/* A call into the module: P11(session, C_SignInit, session->handle, &mechanism, key). */
#define P11(session, function, ...)                                                                          \
        ({                                                                                                   \
                session_enter((session), #function);                                                         \
                CK_RV rv_ = (session)->token->p11->function(__VA_ARGS__);                                    \
                if (rv_ != CKR_OK)                                                                           \
                        (session)->failed_name = #function;                                                  \
                session_leave((session));                                                                    \
                rv_;                                                                                         \
        })

void session_enter(struct session *session, const char *name);
void session_leave(struct session *session);

/* For the monitor: after how many microseconds to look again; 0: the call that is in the module was begun before now and has
 * outlived its limit, *ret_limit. */
uint64_t session_overdue(const struct session *session, uint64_t now, uint64_t *ret_limit);

/* Read/write where the token lets us, else read-only. CKR_SESSION_COUNT: no more to be had. */
CK_RV session_open(struct session *session, struct slot_token *token);
void session_close(struct session *session);

/* Asks the session how it is. CKR_OK: it is there, and logged in where the token wants that;
 * CKR_USER_NOT_LOGGED_IN: it is there and not logged in; else what the token said. */
CK_RV session_check(struct session *session);

/* Class session: a new session is opened before the old one is closed, and one login is tried where the login
 * was lost. CKR_OK, or what the token said: then *failure is set and the caller ends the worker. */
CK_RV session_recover(struct session *session, struct failure *failure);
