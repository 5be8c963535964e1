/* SPDX-License-Identifier: MPL-2.0 */
/* See session.h. */
#include "daemon/worker/device/session.h"

#include <string.h>

/* Handles that are asked for in one call. */
#define FIND_AT_ONCE 256U

void session_enter(struct session *session, const char *name)
{
        call_gate_enter(&session->token->gate);
        slot_token_calls(session->token, name);
        atomic_store_explicit(&session->call_name, name, memory_order_relaxed);
        atomic_store_explicit(&session->call_since_usec, now_usec(), memory_order_release);
}

bool session_is_well(struct session *session)
{
        struct failed_call failed = session->failed;
        CK_TOKEN_INFO info;
        bool well;

        if (failed.class == CKR_CLASS_VAGUE)
                return true;
        session->asked = true;
        well = session_check(session) == 0 && P11(session, C_GetTokenInfo, session->token->slot, &info) == 0;
        session->asked = false;
        session->failed = failed;
        return well;
}

int session_leave(struct session *session, const char *name, CK_RV rv)
{
        uint64_t since = atomic_load_explicit(&session->call_since_usec, memory_order_relaxed);

        session->device_usec += now_usec() - since;
        atomic_store_explicit(&session->call_since_usec, 0, memory_order_release);
        slot_token_calls(session->token, NULL);
        call_gate_leave(&session->token->gate);
        if (rv == CKR_OK)
                return 0;
        (void)session_fail(session, rv, name);
        if (session->failed.class == CKR_CLASS_DEVICE && !session->asked && session_is_well(session))
                session->failed.class = CKR_CLASS_VAGUE;
        return CALL_FAILED;
}

int session_fail(struct session *session, CK_RV ckr, const char *call)
{
        session->failed = (struct failed_call){ckr, call, ckr_class(ckr)};
        return CALL_FAILED;
}

int session_failure(const struct session *session, int r, const char *what, struct failure *failure)
{
        return r == CALL_FAILED
                       ? failure_ckr(failure, session->failed.ckr, what ? what : session->failed.call)
                       : r;
}

uint64_t session_overdue(const struct session *session, uint64_t now, uint64_t *ret_limit)
{
        /* The limit is read first. It is set before a call and set back after it. If it were read second, a
         * call that ends between the two loads would be measured by the limit of the next one, and a generate
         * that took its time would look hung. */
        uint64_t limit = atomic_load(&session->call_limit_usec);
        uint64_t since = atomic_load_explicit(&session->call_since_usec, memory_order_acquire);

        if (since == 0)
                return MAX_OF(limit / 4, UINT64_C(1));
        if (now < since + limit)
                return since + limit - now;
        *ret_limit = limit;
        return 0;
}

int session_open(struct session *session, struct slot_token *token)
{
        CK_FLAGS flags = CKF_SERIAL_SESSION;
        CK_SESSION_HANDLE handle;
        bool read_only = token->look || (token->info.flags & CKF_WRITE_PROTECTED);
        int r;

        session->token = token;
        if (atomic_load(&session->call_limit_usec) == 0)
                atomic_store(&session->call_limit_usec, token->config->timeout_usec);
        r = P11(session, C_OpenSession, token->slot, flags | (read_only ? 0 : CKF_RW_SESSION), NULL, NULL,
                &handle);
        if (session_said(session, r, CKR_TOKEN_WRITE_PROTECTED)) {
                read_only = true;
                r = P11(session, C_OpenSession, token->slot, flags, NULL, NULL, &handle);
        }
        if (r != 0)
                return r;
        session->handle = handle;
        session->read_only = read_only;
        session->n_opens++;
        atomic_fetch_add(&token->n_open, 1);
        return 0;
}

void session_close(struct session *session)
{
        (void)P11(session, C_CloseSession, session->handle);
        session->handle = CK_INVALID_HANDLE;
        atomic_fetch_sub(&session->token->n_open, 1);
}

void session_exchange(struct session *session)
{
        struct slot_token *token = session->token;
        struct failed_call failed = session->failed;
        CK_SESSION_HANDLE old = session->handle;

        /* Its copies of keys belong to sessions that must stay. */
        if (token->config->role == ROLE_ACCELERATOR)
                return;
        if (session_open(session, token) == 0) {
                if (old != session->handle)
                        (void)P11(session, C_CloseSession, old);
                atomic_fetch_sub(&token->n_open, 1);
        }
        session->failed = failed;
}

int session_check(struct session *session)
{
        CK_SESSION_INFO info;
        int r = P11(session, C_GetSessionInfo, session->handle, &info);

        if (r != 0)
                return r;
        if ((session->token->info.flags & CKF_LOGIN_REQUIRED) && info.state != CKS_RO_USER_FUNCTIONS &&
                info.state != CKS_RW_USER_FUNCTIONS)
                return session_fail(session, CKR_USER_NOT_LOGGED_IN, "C_GetSessionInfo");
        return 0;
}

void session_reconsider(struct session *session, int r)
{
        if (session_class(session, r) == CKR_CLASS_SESSION && session_is_well(session))
                session->failed.class = CKR_CLASS_VAGUE;
}

void session_destroy(struct session *session, CK_OBJECT_HANDLE handle)
{
        struct failed_call failed = session->failed;

        if (handle != CK_INVALID_HANDLE && P11(session, C_DestroyObject, session->handle, handle) != 0)
                session->failed = failed;
}

/* ---- finding ---- */

int session_find_all(struct session *session, CK_ATTRIBUTE *template, size_t n_template,
        int (*found)(void *userdata, const CK_OBJECT_HANDLE *handles, size_t n), void *userdata)
{
        CK_OBJECT_HANDLE handles[FIND_AT_ONCE];
        struct failed_call failed;
        CK_ULONG n = 0, total = 0;
        int r, final;

        r = P11(session, C_FindObjectsInit, session->handle, template, n_template);
        if (r != 0)
                return r;
        do {
                r = P11(session, C_FindObjects, session->handle, handles, FIND_AT_ONCE, &n);
                n = MIN_OF(n, FIND_AT_ONCE);
                total += n;
                /* A search may never end although each of its calls returns at once. */
                if (r == 0)
                        r = total > LIMIT_OBJECTS ? -E2BIG : found(userdata, handles, n);
        } while (r == 0 && n > 0);
        failed = session->failed;
        final = P11(session, C_FindObjectsFinal, session->handle);
        if (r == CALL_FAILED)
                session->failed = failed;
        return r != 0 ? r : final;
}

struct found_handles {
        CK_OBJECT_HANDLE *handles;
        size_t n, max;
};

#define ALL_FULL 2

static int keep_handles(void *userdata, const CK_OBJECT_HANDLE *handles, size_t n)
{
        struct found_handles *found = userdata;

        n = MIN_OF(n, found->max - found->n);
        memcpy(found->handles + found->n, handles, n * sizeof(*handles));
        found->n += n;
        return found->n == found->max ? ALL_FULL : 0;
}

int session_find(struct session *session, CK_ATTRIBUTE *template, size_t n_template,
        CK_OBJECT_HANDLE *handles, size_t max, size_t *ret)
{
        struct found_handles found = {handles, 0, max};
        int r = session_find_all(session, template, n_template, keep_handles, &found);

        if (r != 0 && r != ALL_FULL)
                return r;
        *ret = found.n;
        return 0;
}
