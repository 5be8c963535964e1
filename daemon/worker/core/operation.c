/* SPDX-License-Identifier: MPL-2.0 */
/* See operation.h. */
#include "daemon/worker/core/operation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/worker/core/session-copy.h"
#include "daemon/worker/device/login.h"

/* ---- answers ---- */

_printf_(2, 0) static void set_text(struct operation *operation, const char *format, va_list args)
{
        vsnprintf(operation->result.text, sizeof(operation->result.text), format, args);
}

int operation_answer(struct operation *operation, enum reply_status status, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        set_text(operation, format, args);
        va_end(args);
        return (int)status;
}

int operation_invalid(struct operation *operation, const char *parameter, const char *format, ...)
{
        va_list args;

        operation->result.parameter = parameter;
        va_start(args, format);
        set_text(operation, format, args);
        va_end(args);
        return REPLY_INVALID;
}

int operation_refused(struct operation *operation, CK_RV ckr, const char *format, ...)
{
        va_list args;

        operation->result.ckr = ckr;
        va_start(args, format);
        set_text(operation, format, args);
        va_end(args);
        return REPLY_CKR;
}

int operation_answer_number(struct operation *operation, uint64_t number)
{
        struct result *result = &operation->result;
        struct wire wire = {.data = result->payload, .size = sizeof(result->payload)};

        wire_put_u64(&wire, number);
        result->payload_length = wire.at;
        return 0;
}

/* ---- the end of an operation ---- */

/* NSS makes some calls without us. */
static const char *failed_call(const struct operation *operation)
{
        return operation->session->failed.call ? operation->session->failed.call : "NSS";
}

void operation_end(struct operation *operation, enum worker_end end, CK_RV ckr, const char *why)
{
        char name[CKR_TEXT];

        operation->ending = true;
        failure_set(&operation->failure, end, ckr, "%s: %s (%s)", why, ckr_text(ckr, name),
                failed_call(operation));
}

static enum reply_status end_by_device(struct operation *operation)
{
        operation_end(operation, WORKER_END_DEVICE, operation->session->failed.ckr, "the device was lost");
        return REPLY_DEVICE_LOST;
}

/* A call into the module failed, for the last time. */
static enum reply_status conclude_call(struct operation *operation)
{
        CK_RV ckr = operation->session->failed.ckr;

        switch (operation->session->failed.class) {
        case CKR_CLASS_OK:
        case CKR_CLASS_REQUEST:
        case CKR_CLASS_VAGUE:
                return REPLY_CKR;
        case CKR_CLASS_BUSY:
                /* It is this process that has no memory for the module. */
                if (ckr == CKR_HOST_MEMORY)
                        return REPLY_INTERNAL;
                return REPLY_BUSY;
        case CKR_CLASS_SESSION:
        case CKR_CLASS_DEVICE:
                return end_by_device(operation);
        case CKR_CLASS_PIN:
                operation_end(operation, WORKER_END_PIN, ckr, "the token does not accept its PIN any more");
                return REPLY_PIN;
        }
        return REPLY_CKR;
}

int operation_conclude(struct operation *operation, int r)
{
        struct result *result = &operation->result;
        char name[CKR_TEXT];

        explicit_bzero(result->payload, result->payload_length);
        result->payload_length = 0;
        if (r == CALL_FAILED) {
                result->ckr = operation->session->failed.ckr;
                snprintf(result->text, sizeof(result->text), "%s: %s", failed_call(operation),
                        ckr_text(result->ckr, name));
                r = (int)conclude_call(operation);
                /* Only the text says that it was the module that had no memory. */
                if (r == REPLY_INTERNAL)
                        result->ckr = CKR_OK;
        } else if (r == -E2BIG) {
                /* Another worker would find as many. */
                operation->ending = true;
                (void)failure_errno(&operation->failure, r);
                snprintf(result->text, sizeof(result->text), "%s", "the token has too many objects");
                r = REPLY_DEVICE_LOST;
        } else if (r < 0) {
                snprintf(result->text, sizeof(result->text), "%s", strerror(-r));
                r = REPLY_INTERNAL;
        }
        result->status = (enum reply_status)r;
        return r;
}

int operation_unknown(struct operation *operation, int r, const char *what)
{
        struct result *result = &operation->result;
        enum ckr_class class = session_class(operation->session, r);
        char why[sizeof(result->text)];
        int status = operation_conclude(operation, r);

        /* What did not come back with one recovery will not with another; and what is not known, the next worker settles. */
        if ((class == CKR_CLASS_SESSION || class == CKR_CLASS_VAGUE) && !operation->ending)
                status = (int)end_by_device(operation);
        memcpy(why, result->text, sizeof(why));
        (void)operation_answer(operation, result->status, "%s: %s", what, why);
        return operation->ending ? status : REPLY_OUTCOME_UNKNOWN;
}

/* ---- recovery ---- */

bool operation_tries_again(struct operation *operation, int r, unsigned tries)
{
        struct session *session = operation->session;
        enum ckr_class class = session_class(session, r);

        if ((class != CKR_CLASS_BUSY && class != CKR_CLASS_VAGUE) || tries >= OPERATION_TRIES)
                return false;
        /* Copies are for speed alone: they make room for what is asked. */
        if (session_said(session, r, CKR_DEVICE_MEMORY))
                session_copy_clear(session);
        usleep(OPERATION_BUSY_WAIT_USEC);
        if (class == CKR_CLASS_VAGUE)
                session_exchange(session);
        return true;
}

/* There is no login, or no session any more: the worker ends for that reason. */
static int conclude_unrecovered(struct operation *operation)
{
        struct failure *failure = &operation->failure;
        struct result *result = &operation->result;

        result->ckr = failure->ckr ? failure->ckr : CKR_USER_NOT_LOGGED_IN;
        snprintf(result->text, sizeof(result->text), "%.*s", (int)sizeof(result->text) - 1, failure->reason);
        if (failure->end == WORKER_END_ABSENT)
                failure->end = WORKER_END_DEVICE;
        operation->ending = true;
        return failure->end == WORKER_END_PIN ? REPLY_PIN : REPLY_DEVICE_LOST;
}

int operation_recover(struct operation *operation)
{
        int r = login_recover(operation->session, &operation->failure);

        if (r != 0)
                return r < 0 ? r : conclude_unrecovered(operation);
        return inventory_refresh(operation->inventory, operation->session, operation->report, false);
}

int operation_renew(struct operation *operation)
{
        struct session *session = operation->session;
        unsigned tries = 0;
        int r;

        do
                r = inventory_refresh(operation->inventory, session, operation->report, false);
        while (operation_tries_again(operation, r, ++tries));
        if (session_class(session, r) == CKR_CLASS_SESSION)
                r = operation_recover(operation);
        if (r == 0)
                return 0;
        return operation_unknown(operation, r, "the change was made, and the token cannot be listed since");
}

/* ---- running ---- */

static int attempt_once(struct operation *operation, operation_attempt *attempt, const void *request)
{
        struct session *session = operation->session;
        struct result *result = &operation->result;
        struct failure ignored;
        struct failed_call failed;
        int r;

        operation->attempt++;
        result->status = REPLY_OK;
        result->ckr = CKR_OK;
        result->payload_length = 0;
        result->parameter = NULL;
        result->text[0] = '\0';
        r = attempt(operation, request);
        if (!session_said(session, r, CKR_OPERATION_ACTIVE))
                return r;
        /* Some tokens keep an operation that failed open, against the standard. This one did not run, and a
         * new session is free of the old one: this does not count as a second try. */
        failed = session->failed;
        if (login_recover(session, &ignored) == 0)
                return attempt(operation, request);
        session->failed = failed;
        return CALL_FAILED;
}

void operation_run(struct operation *operation, operation_attempt *attempt, const void *request)
{
        int r;

        operation->destroy_failed = CKR_OK;
        operation->attempt = 0;
        r = attempt_once(operation, attempt, request);
        if (r == -EAGAIN)
                r = attempt_once(operation, attempt, request);
        if (session_class(operation->session, r) == CKR_CLASS_SESSION) {
                r = operation_recover(operation);
                if (r == 0)
                        r = attempt_once(operation, attempt, request);
                session_reconsider(operation->session, r);
        } else if (operation_tries_again(operation, r, OPERATION_TRIES - 1)) {
                r = attempt_once(operation, attempt, request);
        }
        if (r != 0)
                (void)operation_conclude(operation, r);
}

/* ---- calls that attempts share ---- */

int operation_destroy(struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        struct session *session = operation->session;
        CK_RV first;
        int r;

        inventory_leave(operation->inventory, class, handle, LEAVE_NOW);
        r = P11(session, C_DestroyObject, session->handle, handle);
        first = session->failed.ckr;
        /* Another process may be writing: some modules keep it out of their database for half a second. */
        for (unsigned wait = 1; wait <= 8 && session_class(session, r) == CKR_CLASS_VAGUE; wait *= 2) {
                usleep(wait * OPERATION_BUSY_WAIT_USEC);
                r = P11(session, C_DestroyObject, session->handle, handle);
        }
        if (r != 0 && operation->destroy_failed == CKR_OK)
                operation->destroy_failed = first;
        inventory_leave(operation->inventory, class, handle, r == 0 ? LEAVE_DONE : LEAVE_NOT);
        return r;
}

int operation_gone(struct operation *operation, const char *text)
{
        char name[CKR_TEXT];

        if (operation->destroy_failed == CKR_OK || operation->destroy_failed == CKR_OBJECT_HANDLE_INVALID)
                return operation_answer(operation, REPLY_KEY_GONE, "%s", text);
        operation->result.ckr = operation->destroy_failed;
        return operation_answer(operation, REPLY_OUTCOME_UNKNOWN,
                "C_DestroyObject: %s, and the token does not show the object since",
                ckr_text(operation->destroy_failed, name));
}

/* From the form of the device to that in which a signature leaves: ECDSA as DER. */
static int put_signature(
        struct operation *operation, const struct signing *signing, const uint8_t *raw, size_t length)
{
        struct result *result = &operation->result;

        if (length == signing->signature_length && signing->info->scheme == SCHEME_ECDSA) {
                result->payload_length = signature_to_der(raw, length, result->payload);
        } else if (length == signing->signature_length) {
                memcpy(result->payload, raw, length);
                result->payload_length = length;
        }
        if (result->payload_length > 0)
                return 0;
        return operation_refused(operation, CKR_SIGNATURE_LEN_RANGE,
                "the token returned %zu bytes, which are not a signature of this key", length);
}

int operation_prepare(struct operation *operation, struct signing *signing, const struct to_sign *what,
        unsigned key_type, unsigned bits)
{
        int r = signing_init(signing, what, key_type, bits);

        if (r == SIGNING_UNFIT)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        if (r == SIGNING_BAD_DIGEST)
                return operation_invalid(operation, NULL, "the data does not fit the algorithm");
        if (r == SIGNING_BAD_SALT)
                return operation_invalid(
                        operation, "saltLength", "the salt does not fit the algorithm and the key");
        return r;
}

int operation_sign(struct operation *operation, struct signing *signing, CK_OBJECT_HANDLE handle)
{
        struct session *session = operation->session;
        uint8_t raw[LIMIT_SIGNATURE];
        CK_ULONG length = sizeof(raw);
        int r;

        r = P11(session, C_SignInit, session->handle, &signing->mechanism, handle);
        if (r == 0)
                r = P11(session, C_Sign, session->handle, (CK_BYTE_PTR)(uintptr_t)signing->input.data,
                        signing->input.length, raw, &length);
        return r == 0 ? put_signature(operation, signing, raw, length) : r;
}
