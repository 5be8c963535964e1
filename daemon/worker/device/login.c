/* SPDX-License-Identifier: MPL-2.0 */
/* See login.h. */
#include "daemon/worker/device/login.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/secret.h"
#include "daemon/util/text.h"

#define NO_PIN_TRIES     5U
#define NO_PIN_WAIT_USEC 20000U

int login_read_pin(const struct slot_token *token, struct secret **ret, struct failure *failure)
{
        _cleanup_(freep) char *path = NULL;
        const char *pin = token->config->pin;
        int r;

        if (pin && strncmp(pin, "file:", 5) == 0) {
                path = text_format("%s", pin + 5);
        } else if (pin && strncmp(pin, "credential:", 11) == 0) {
                const char *directory = getenv("CREDENTIALS_DIRECTORY");
                if (!directory)
                        return failure_set(failure, WORKER_END_ERROR, 0,
                                "Pin=%s, and no credentials were passed to the service", pin);
                path = text_format("%s/%s", directory, pin + 11);
        } else if (token->pin_file) {
                path = text_format("%s", token->pin_file);
        } else {
                return failure_set(
                        failure, WORKER_END_ERROR, 0, "the token wants a login and no Pin= is configured");
        }
        if (!path)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        r = secret_read_file(path, ret);
        if (r == -EINVAL)
                return failure_set(failure, WORKER_END_ERROR, 0,
                        "the PIN file %s is empty, too long, or has a NUL in it", path);
        if (r == -ENODEV)
                return failure_set(failure, WORKER_END_ERROR, 0, "the PIN file %s is no regular file", path);
        if (r < 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "the PIN file %s cannot be read: %s", path,
                        strerror(-r));
        return 0;
}

/* Whether the token's own flags forbid an attempt. */
static int check_flags(struct session *session, struct failure *failure)
{
        CK_TOKEN_INFO info;
        CK_RV rv = P11(session, C_GetTokenInfo, session->token->slot, &info);

        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_GetTokenInfo");
        if (info.flags & CKF_USER_PIN_LOCKED)
                return failure_set(
                        failure, WORKER_END_PIN, CKR_PIN_LOCKED, "the token says that its PIN is locked");
        if (info.flags & CKF_USER_PIN_FINAL_TRY)
                return failure_set(failure, WORKER_END_PIN, CKR_PIN_INCORRECT,
                        "the token says that one more wrong PIN locks it: no login was tried");
        if (session->token->look && (info.flags & CKF_USER_PIN_COUNT_LOW))
                /* It may have been anybody's: ours was not refused. */
                return failure_set(failure, WORKER_END_ERROR, CKR_PIN_INCORRECT,
                        "a wrong PIN was tried on the token: a look tries none");
        return 0;
}

/* The prototype lacks a const; the module only reads it. SoftHSM says that there is no PIN while another process writes to
 * the token (its login does): no PIN was tried then, so that asking again costs no attempt. */
static CK_RV try_pin(struct session *session, const struct secret *pin)
{
        CK_RV rv = CKR_OK;

        for (unsigned i = 0; i < NO_PIN_TRIES; i++) {
                if (i > 0)
                        usleep(NO_PIN_WAIT_USEC);
                rv = P11(session, C_Login, session->handle, CKU_USER,
                        (CK_UTF8CHAR_PTR)(uintptr_t)secret_text(pin), secret_length(pin));
                if (rv != CKR_USER_PIN_NOT_INITIALIZED)
                        break;
        }
        return rv;
}

static int login_locked(struct session *session, struct failure *failure)
{
        _cleanup_(secret_freep) struct secret *pin = NULL;
        struct slot_token *token = session->token;
        CK_RV rv = session_check(session);
        int r;

        if (rv == CKR_OK)
                return 0;
        if (rv != CKR_USER_NOT_LOGGED_IN)
                return failure_ckr(failure, rv, "C_GetSessionInfo");
        if (token->pin_refused)
                return failure_ckr(failure, CKR_PIN_INCORRECT, "the PIN was refused");
        r = check_flags(session, failure);
        if (r == 0)
                r = login_read_pin(token, &pin, failure);
        if (r != 0)
                return r;
        rv = try_pin(session, pin);
        if (rv == CKR_USER_ALREADY_LOGGED_IN)
                return 0;
        /* And a new process may be shown it. */
        if (rv == CKR_USER_PIN_NOT_INITIALIZED)
                return failure_set(failure, WORKER_END_ERROR, rv, "the token says that it has no PIN");
        token->pin_refused = ckr_class(rv) == CKR_CLASS_PIN;
        if (rv != CKR_OK)
                return failure_ckr(
                        failure, rv, ckr_class(rv) == CKR_CLASS_PIN ? "the PIN was refused" : "C_Login");
        atomic_fetch_add(&token->n_logins, 1);
        return 0;
}

int login(struct session *session, struct failure *failure)
{
        struct slot_token *token = session->token;
        int r;

        if (!(token->info.flags & CKF_LOGIN_REQUIRED))
                return 0;
        pthread_mutex_lock(&token->login_lock);
        r = login_locked(session, failure);
        pthread_mutex_unlock(&token->login_lock);
        return r;
}
