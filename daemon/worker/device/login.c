/* SPDX-License-Identifier: MPL-2.0 */
/* See login.h. */
#include "daemon/worker/device/login.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/log.h"
#include "daemon/util/secret.h"
#include "daemon/util/text.h"
#include "daemon/util/wipe.h"
#include "daemon/worker/device/password-conf.h"

#define NO_PIN_TRIES     5U
#define NO_PIN_WAIT_USEC 20000U

/* ---- the PIN ---- */

static int find_pin(const struct slot_token *token, char **ret, struct failure *failure)
{
        const char *pin = token->config->pin, *directory;

        if (pin && strncmp(pin, "file:", 5) == 0) {
                *ret = text_format("%s", pin + 5);
        } else if (pin && strncmp(pin, "credential:", 11) == 0) {
                directory = getenv("CREDENTIALS_DIRECTORY");
                if (!directory)
                        return failure_set(failure, WORKER_END_ERROR, 0,
                                "Pin=%s, but the service was started without credentials", pin);
                *ret = text_format("%s/%s", directory, pin + 11);
        } else if (token->pin_file) {
                *ret = text_format("%s", token->pin_file);
        } else if (token->internal) {
                return failure_set(failure, WORKER_END_STORE, 0,
                        "the file of its PIN, %s/pin, is not there, and Pin= is not configured",
                        token->config->directory);
        } else {
                return failure_set(
                        failure, WORKER_END_ERROR, 0, "the token wants a login, but Pin= is not configured");
        }
        return *ret ? 0 : -ENOMEM;
}

/* A PIN that was not meant so would cost one of a few attempts. */
static int check_pin(
        const struct slot_token *token, const char *path, const struct secret *pin, struct failure *failure)
{
        const char *what = NULL;

        if (secret_oddity(pin) == SECRET_BYTE_ORDER_MARK)
                what = "begins with a byte order mark";
        else if (secret_oddity(pin) == SECRET_WHITE_SPACE)
                what = "has white space or a second line end behind the PIN";
        else if (password_conf_has(secret_text(pin), token->config->name, token->identity.parts[URI_TOKEN]))
                what = "has NAME=PIN instead of the PIN alone";
        return what ? failure_set(failure, WORKER_END_PIN, 0, "no login was tried: the PIN file %s %s", path,
                              what)
                    : 0;
}

int login_read_pin(const struct slot_token *token, struct secret **ret, struct failure *failure)
{
        _cleanup_(secret_freep) struct secret *pin = NULL;
        _cleanup_(freep) char *path = NULL;
        int r = find_pin(token, &path, failure);

        if (r != 0)
                return r;
        r = secret_read_file(path, &pin);
        if (r == -EINVAL)
                return failure_set(failure, WORKER_END_ERROR, 0,
                        "the PIN file %s is empty, too long, or contains a NUL", path);
        if (r == -ENODEV)
                return failure_set(
                        failure, WORKER_END_ERROR, 0, "the PIN file %s is not a regular file", path);
        if (r < 0 && r != -ENOMEM)
                return failure_set(
                        failure, WORKER_END_ERROR, 0, "cannot read the PIN file %s: %s", path, strerror(-r));
        if (r < 0)
                return r;
        r = check_pin(token, path, pin, failure);
        if (r == 0)
                *ret = TAKE_PTR(pin);
        return r;
}

/* ---- the login ---- */

/* Whether the token's own flags forbid an attempt. */
static int check_flags(struct session *session, struct failure *failure)
{
        CK_TOKEN_INFO info;
        int r = P11(session, C_GetTokenInfo, session->token->slot, &info);

        if (r != 0)
                return session_failure(session, r, NULL, failure);
        if (info.flags & CKF_USER_PIN_LOCKED)
                return failure_set(
                        failure, WORKER_END_PIN, CKR_PIN_LOCKED, "the token says that its PIN is locked");
        if (info.flags & CKF_USER_PIN_FINAL_TRY)
                return failure_set(failure, WORKER_END_PIN, CKR_PIN_INCORRECT,
                        "the token says that one more wrong PIN locks it: no login was tried");
        /* Anybody may have tried the wrong one: ours was not refused. */
        if (session->token->look && (info.flags & CKF_USER_PIN_COUNT_LOW))
                return failure_set(failure, WORKER_END_ERROR, CKR_PIN_INCORRECT,
                        "a wrong PIN was tried on the token: a look tries no PIN then");
        return 0;
}

/* The prototype lacks a const; the module only reads the PIN. SoftHSM says that there is no PIN while another
 * process writes to the token (as the login of that process does): no PIN was tried then, and asking again
 * costs no attempt. */
static int try_pin(struct session *session, const struct secret *pin)
{
        int r = 0;

        for (unsigned i = 0; i < NO_PIN_TRIES; i++) {
                if (i > 0)
                        usleep(NO_PIN_WAIT_USEC);
                r = P11(session, C_Login, session->handle, CKU_USER,
                        (CK_UTF8CHAR_PTR)(uintptr_t)secret_text(pin), secret_length(pin));
                if (!session_said(session, r, CKR_USER_PIN_NOT_INITIALIZED))
                        break;
        }
        /* softoken leaves the PIN on its stack. */
        wipe_stack();
        return r;
}

static int login_locked(struct session *session, struct failure *failure)
{
        _cleanup_(secret_freep) struct secret *pin = NULL;
        struct slot_token *token = session->token;
        int r = session_check(session);

        if (!session_said(session, r, CKR_USER_NOT_LOGGED_IN))
                return session_failure(session, r, "C_GetSessionInfo", failure);
        if (token->pin_refused)
                return failure_ckr(failure, CKR_PIN_INCORRECT, "the PIN was refused");
        r = check_flags(session, failure);
        if (r == 0)
                r = login_read_pin(token, &pin, failure);
        if (r != 0)
                return r;
        r = try_pin(session, pin);
        if (session_said(session, r, CKR_USER_ALREADY_LOGGED_IN))
                return 0;
        /* No PIN was refused, and a new process may see one: another worker may try. */
        if (session_said(session, r, CKR_USER_PIN_NOT_INITIALIZED))
                return failure_set(
                        failure, WORKER_END_ERROR, session->failed.ckr, "the token says that it has no PIN");
        token->pin_refused = session_class(session, r) == CKR_CLASS_PIN;
        if (r != 0)
                r = session_failure(
                        session, r, token->pin_refused ? "the PIN was refused" : "C_Login", failure);
        /* A login is tried again with longer and longer pauses, whatever the token says of it. */
        if (r == WORKER_END_DEVICE)
                failure->end = WORKER_END_ERROR;
        if (r != 0)
                return r > 0 ? (int)failure->end : r;
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

int login_recover(struct session *session, struct failure *failure)
{
        struct slot_token *token = session->token;
        CK_SESSION_HANDLE old = session->handle;
        int r;

        /* The new one first: when the last session of a process closes, the token logs out. */
        r = session_open(session, token);
        if (session_said(session, r, CKR_SESSION_COUNT)) {
                session_close(session);
                r = session_open(session, token);
        } else if (r == 0) {
                /* A token may give the handle of the session that it dropped to the next one. */
                if (old != session->handle)
                        (void)P11(session, C_CloseSession, old);
                atomic_fetch_sub(&token->n_open, 1);
        }
        if (r != 0)
                return session_failure(session, r, "a lost session could not be opened again", failure);
        return login(session, failure);
}
