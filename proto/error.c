/* SPDX-License-Identifier: MPL-2.0 */
/* The one table of errors. Called by the broker to name one and by libtokend to know one. Holds no state. */
#include "proto/error.h"

#include <string.h>

struct error_row {
        const char *name;
        const char *sentence;
};

static const struct error_row rows[PROTO_ERROR_MAX_] = {
        [PROTO_OK] = {"Ok", "no error"},
        [PROTO_KEY_NOT_FOUND] = {"KeyNotFound", "there is no such key that you may see"},
        [PROTO_AMBIGUOUS_NAME] = {"AmbiguousName", "several of them bear this name: name one by its id"},
        [PROTO_TOKEN_NOT_FOUND] = {"TokenNotFound", "there is no such token"},
        [PROTO_NICKNAME_EXISTS] = {"NicknameExists",
                "a key or a certificate of this nickname is on the token already"},
        [PROTO_ALGORITHM_NOT_SUPPORTED] = {"AlgorithmNotSupported",
                "the key, or its token, cannot do this algorithm"},
        [PROTO_PERMISSION_DENIED] = {"PermissionDenied", "you may not do this"},
        [PROTO_TOKEN_UNAVAILABLE] = {"TokenUnavailable", "the token cannot be used now"},
        [PROTO_TOKEN_ERROR] = {"TokenError", "the token reported an error"},
        [PROTO_OVERLOADED] = {"Overloaded", "too many requests of yours wait for this token already"},
        [PROTO_DEADLINE_EXCEEDED] = {"DeadlineExceeded", "the time for this request has passed"},
        [PROTO_OUTCOME_UNKNOWN] = {"OutcomeUnknown",
                "it may have been done or not: look before you try again"},
        [PROTO_WORKER_LOST] = {"WorkerLost",
                "the request ended the process that serves the token; it is not tried again"},
        [PROTO_CERTIFICATE_NOT_FOUND] = {"CertificateNotFound",
                "there is no such certificate that you may see"},
        [PROTO_NOT_A_CERTIFICATE] = {"NotACertificate", "this is not a certificate"},
        [PROTO_CLAIM_NOT_FOUND] = {"ClaimNotFound", "no such claim of another host is on the token"},
        [PROTO_AUDIT_UNAVAILABLE] = {"AuditUnavailable", "uses of keys cannot be recorded now, and must be"},
        [PROTO_INTERFACE_NOT_FOUND] = {"InterfaceNotFound", "the daemon has no such interface"},
        [PROTO_METHOD_NOT_FOUND] = {"MethodNotFound", "the daemon has no such method"},
        [PROTO_METHOD_NOT_IMPLEMENTED] = {"MethodNotImplemented",
                "the daemon does not implement this method"},
        [PROTO_INVALID_PARAMETER] = {"InvalidParameter",
                "a parameter is missing, unknown, of the wrong type or out of range"},
        [PROTO_EXPECTED_MORE] = {"ExpectedMore", "the answer needs several replies: ask with `more`"},
};

static const struct error_row *row_of(enum proto_error error)
{
        return (unsigned)error < PROTO_ERROR_MAX_ ? &rows[error] : &rows[PROTO_OK];
}

const char *proto_error_name(enum proto_error error)
{
        return row_of(error)->name;
}

int proto_error_is_service(enum proto_error error)
{
        return error >= PROTO_INTERFACE_NOT_FOUND && error < PROTO_ERROR_MAX_;
}

const char *proto_error_sentence(enum proto_error error)
{
        return row_of(error)->sentence;
}

enum proto_error proto_error_from_name(const char *name)
{
        const char *dot = strrchr(name, '.');

        if (!dot)
                return PROTO_OK;
        for (unsigned i = PROTO_OK + 1; i < PROTO_ERROR_MAX_; i++)
                if (strcmp(rows[i].name, dot + 1) == 0)
                        return (enum proto_error)i;
        return PROTO_OK;
}
