/* SPDX-License-Identifier: MPL-2.0 */
/* See operation.h. */
#include "daemon/worker/core/operation.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/util/ckr.h"

CK_RV operation_answer(struct operation *operation, enum reply_status status, const char *format, ...)
{
        va_list args;

        operation->result.status = status;
        va_start(args, format);
        vsnprintf(operation->result.text, sizeof(operation->result.text), format, args);
        va_end(args);
        return CKR_OK;
}

static const char *failed_call(const struct operation *operation)
{
        return operation->session->failed_name ? operation->session->failed_name : "NSS";
}

void operation_end(struct operation *operation, enum worker_end end, CK_RV ckr, const char *why)
{
        char name[CKR_TEXT], call[64];

        snprintf(call, sizeof(call), "%s", failed_call(operation));
        operation->ending = true;
        failure_set(&operation->failure, end, ckr, "%s: %s (%s)", why, ckr_text(ckr, name), call);
}

/* The last word of the token, as a status. */
static void conclude(struct operation *operation, CK_RV rv)
{
        struct result *result = &operation->result;
        char name[CKR_TEXT];

        result->ckr = rv;
        result->payload_length = 0;
        snprintf(result->text, sizeof(result->text), "%s: %s", failed_call(operation), ckr_text(rv, name));
        switch (ckr_class(rv)) {
        case CKR_CLASS_OK:
        case CKR_CLASS_REQUEST:
                result->status = REPLY_CKR;
                break;
        case CKR_CLASS_BUSY:
                result->status = rv == CKR_FUNCTION_FAILED ? REPLY_CKR : REPLY_BUSY;
                break;
        case CKR_CLASS_SESSION:
                /* A new session did not help. Where it is the handle that is refused, it is about this key.
                 */
                if (rv == CKR_KEY_HANDLE_INVALID || rv == CKR_OBJECT_HANDLE_INVALID) {
                        result->status = REPLY_CKR;
                        break;
                }
                /* fall through */
        case CKR_CLASS_DEVICE:
                result->status = REPLY_DEVICE_LOST;
                operation_end(operation, WORKER_END_DEVICE, rv, "the device was lost");
                break;
        case CKR_CLASS_PIN:
                result->status = REPLY_PIN;
                operation_end(operation, WORKER_END_PIN, rv, "the token does not take its PIN any more");
                break;
        }
}

CK_RV operation_unknown(struct operation *operation, CK_RV rv, const char *what)
{
        struct result *result = &operation->result;
        char name[CKR_TEXT];

        conclude(operation, rv);
        /* Whatever did not come back after one recovery will not by another. */
        if (ckr_class(rv) == CKR_CLASS_SESSION && !operation->ending) {
                result->status = REPLY_DEVICE_LOST;
                operation_end(operation, WORKER_END_DEVICE, rv, "the device was lost");
        }
        if (!operation->ending)
                result->status = REPLY_OUTCOME_UNKNOWN;
        snprintf(result->text, sizeof(result->text), "%s: %s", what, ckr_text(rv, name));
        return CKR_OK;
}

/* A login or session that could not be had again: the worker ends with that reason. */
static void conclude_unrecovered(struct operation *operation, CK_RV rv)
{
        struct result *result = &operation->result;

        result->ckr = rv;
        result->payload_length = 0;
        result->status = operation->failure.end == WORKER_END_PIN ? REPLY_PIN : REPLY_DEVICE_LOST;
        snprintf(result->text, sizeof(result->text), "%.*s", (int)sizeof(result->text) - 1,
                operation->failure.reason);
        if (operation->failure.end == WORKER_END_ABSENT)
                operation->failure.end = WORKER_END_DEVICE;
        operation->ending = true;
}

CK_RV operation_recover(struct operation *operation)
{
        CK_RV rv = session_recover(operation->session, &operation->failure);

        if (rv != CKR_OK) {
                conclude_unrecovered(operation, rv);
                return rv;
        }
        rv = inventory_refresh(operation->inventory, operation->session, operation->report, false);
        if (rv != CKR_OK)
                conclude(operation, rv);
        return rv;
}

CK_RV operation_destroy(struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        struct session *session = operation->session;
        CK_RV rv;

        inventory_leave(operation->inventory, class, handle, LEAVE_NOW);
        rv = P11(session, C_DestroyObject, session->handle, handle);
        inventory_leave(operation->inventory, class, handle, rv == CKR_OK ? LEAVE_DONE : LEAVE_NOT);
        return rv;
}

static CK_RV attempt_once(struct operation *operation, operation_attempt *attempt, const void *request)
{
        struct result *result = &operation->result;
        CK_RV rv;

        result->status = REPLY_OK;
        result->ckr = CKR_OK;
        result->payload_length = 0;
        result->text[0] = '\0';
        rv = attempt(operation, request);
        /* Some tokens keep an operation that failed open, against the standard: it did not run, and a new
         * session is rid of the old one. This is no try of its own. */
        if (rv == CKR_OPERATION_ACTIVE && session_recover(operation->session, &operation->failure) == CKR_OK)
                rv = attempt(operation, request);
        return rv;
}

void operation_run(struct operation *operation, operation_attempt *attempt, const void *request)
{
        CK_RV rv = attempt_once(operation, attempt, request);

        if (ckr_class(rv) == CKR_CLASS_BUSY) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                rv = attempt_once(operation, attempt, request);
        } else if (ckr_class(rv) == CKR_CLASS_SESSION) {
                if (operation_recover(operation) != CKR_OK)
                        return;
                rv = attempt_once(operation, attempt, request);
        }
        if (rv != CKR_OK)
                conclude(operation, rv);
}

/* Raw from the device to what leaves: checked for its length, ECDSA as DER. */
static CK_RV put_signature(
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
                return CKR_OK;
        result->ckr = CKR_SIGNATURE_LEN_RANGE;
        return operation_answer(
                operation, REPLY_CKR, "the token gave %zu bytes that are no signature of this key", length);
}

CK_RV operation_sign(struct operation *operation, struct signing *signing, CK_OBJECT_HANDLE handle)
{
        struct session *session = operation->session;
        uint8_t raw[LIMIT_SIGNATURE];
        CK_ULONG length = sizeof(raw);
        CK_RV rv;

        rv = P11(session, C_SignInit, session->handle, &signing->mechanism, handle);
        if (rv == CKR_OK)
                rv = P11(session, C_Sign, session->handle, (CK_BYTE_PTR)(uintptr_t)signing->input.data,
                        signing->input.length, raw, &length);
        return rv == CKR_OK ? put_signature(operation, signing, raw, length) : rv;
}
