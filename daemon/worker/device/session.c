/* SPDX-License-Identifier: MPL-2.0 */
/* See session.h. */
#include "daemon/worker/device/session.h"

#include "daemon/util/ckr.h"
#include "daemon/worker/device/login.h"

void session_enter(struct session *session, const char *name)
{
        call_gate_enter(&session->token->gate);
        atomic_store_explicit(&session->call_name, name, memory_order_relaxed);
        atomic_store_explicit(&session->call_since_usec, now_usec(), memory_order_release);
}

void session_leave(struct session *session)
{
        uint64_t since = atomic_load_explicit(&session->call_since_usec, memory_order_relaxed);

        session->device_usec += now_usec() - since;
        atomic_store_explicit(&session->call_since_usec, 0, memory_order_release);
        call_gate_leave(&session->token->gate);
}

uint64_t session_overdue(const struct session *session, uint64_t now, uint64_t *ret_limit)
{
        /* The limit first. It is set before a call and set back after it: that of a call which ends between the two loads
         * would be measured by the next one's, and a generate that took its time would look hung. */
        uint64_t limit = atomic_load(&session->call_limit_usec);
        uint64_t since = atomic_load_explicit(&session->call_since_usec, memory_order_acquire);

        if (since == 0)
                return MAX_OF(limit / 4, UINT64_C(1));
        if (now < since + limit)
                return since + limit - now;
        *ret_limit = limit;
        return 0;
}

CK_RV session_open(struct session *session, struct slot_token *token)
{
        CK_FLAGS flags = CKF_SERIAL_SESSION;
        CK_SESSION_HANDLE handle;
        bool read_only = token->look || (token->info.flags & CKF_WRITE_PROTECTED);
        CK_RV rv;

        session->token = token;
        if (atomic_load(&session->call_limit_usec) == 0)
                atomic_store(&session->call_limit_usec, token->config->timeout_usec);
        rv = P11(session, C_OpenSession, token->slot, flags | (read_only ? 0 : CKF_RW_SESSION), NULL, NULL,
                &handle);
        if (rv == CKR_TOKEN_WRITE_PROTECTED) {
                read_only = true;
                rv = P11(session, C_OpenSession, token->slot, flags, NULL, NULL, &handle);
        }
        if (rv != CKR_OK)
                return rv;
        session->handle = handle;
        session->read_only = read_only;
        session->n_opens++;
        atomic_fetch_add(&token->n_open, 1);
        return CKR_OK;
}

void session_close(struct session *session)
{
        (void)P11(session, C_CloseSession, session->handle);
        session->handle = CK_INVALID_HANDLE;
        atomic_fetch_sub(&session->token->n_open, 1);
}

CK_RV session_check(struct session *session)
{
        CK_SESSION_INFO info;
        CK_RV rv = P11(session, C_GetSessionInfo, session->handle, &info);

        if (rv != CKR_OK)
                return rv;
        if ((session->token->info.flags & CKF_LOGIN_REQUIRED) && info.state != CKS_RO_USER_FUNCTIONS &&
                info.state != CKS_RW_USER_FUNCTIONS)
                return CKR_USER_NOT_LOGGED_IN;
        return CKR_OK;
}

CK_RV session_recover(struct session *session, struct failure *failure)
{
        struct slot_token *token = session->token;
        CK_SESSION_HANDLE old = session->handle;
        CK_RV rv;

        /* The new one first: when the last session of a process closes, the token logs out. */
        rv = session_open(session, token);
        if (rv == CKR_SESSION_COUNT) {
                session_close(session);
                rv = session_open(session, token);
        } else if (rv == CKR_OK) {
                /* A token may give the handle of the session that it dropped to the next one. */
                if (old != session->handle)
                        (void)P11(session, C_CloseSession, old);
                atomic_fetch_sub(&token->n_open, 1);
        }
        if (rv != CKR_OK) {
                failure_ckr(failure, rv, "a lost session could not be opened again");
                return rv;
        }
        return login(session, failure) == 0 ? CKR_OK : failure->ckr ? failure->ckr : CKR_USER_NOT_LOGGED_IN;
}
