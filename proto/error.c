/* SPDX-License-Identifier: MPL-2.0 */
/* The table of errors: the broker finds the name of an error in it, libtokend finds the error of a name. Holds no state. */
#include "proto/error.h"

#include <string.h>

struct error_row {
        const char *name;
        const char *sentence;
};

static const struct error_row rows[PROTO_ERROR_MAX_] = {
        [PROTO_OK] = {"Ok", "no error"},
        [PROTO_KEY_NOT_FOUND] = {"KeyNotFound", "you may see no key of this name"},
        [PROTO_AMBIGUOUS_NAME] = {"AmbiguousName", "several objects are called so: name one by its id"},
        [PROTO_TOKEN_NOT_FOUND] = {"TokenNotFound", "no token has this name"},
        [PROTO_NICKNAME_EXISTS] = {"NicknameExists",
                "a key, a certificate or a secret on the token has this nickname already"},
        [PROTO_ALGORITHM_NOT_SUPPORTED] = {"AlgorithmNotSupported",
                "the key or its token does not support this algorithm"},
        [PROTO_PERMISSION_DENIED] = {"PermissionDenied", "you may not do this"},
        [PROTO_TOKEN_UNAVAILABLE] = {"TokenUnavailable", "the token cannot be used now"},
        [PROTO_TOKEN_ERROR] = {"TokenError", "the token reported an error"},
        [PROTO_OVERLOADED] = {"Overloaded", "too many of your requests wait for this token"},
        [PROTO_DEADLINE_EXCEEDED] = {"DeadlineExceeded", "the time for this request has passed"},
        [PROTO_OUTCOME_UNKNOWN] = {"OutcomeUnknown",
                "the outcome is unknown: check the token before you try again"},
        [PROTO_WORKER_LOST] = {"WorkerLost",
                "the request ended the process that serves the token, and is not repeated"},
        [PROTO_CERTIFICATE_NOT_FOUND] = {"CertificateNotFound", "you may see no certificate of this name"},
        [PROTO_NOT_A_CERTIFICATE] = {"NotACertificate", "this is not a certificate"},
        [PROTO_SECRET_NOT_FOUND] = {"SecretNotFound", "you may see no secret of this name"},
        [PROTO_NOT_OUR_SEAL] = {"NotOurSeal",
                "expected a sealed key of yours: it was sealed for another instance or token, or changed"},
        [PROTO_CLAIM_NOT_FOUND] = {"ClaimNotFound", "the token has no such claim of another host"},
        [PROTO_AUDIT_UNAVAILABLE] = {"AuditUnavailable",
                "a use of a key must be recorded, and that is not possible now"},
        [PROTO_INTERFACE_NOT_FOUND] = {"InterfaceNotFound", "the daemon does not have this interface"},
        [PROTO_METHOD_NOT_FOUND] = {"MethodNotFound", "the daemon does not have this method"},
        [PROTO_METHOD_NOT_IMPLEMENTED] = {"MethodNotImplemented",
                "the daemon does not implement this method"},
        [PROTO_INVALID_PARAMETER] = {"InvalidParameter",
                "a parameter is missing, is unknown, has the wrong type or is out of range"},
        [PROTO_EXPECTED_MORE] = {"ExpectedMore",
                "this method replies with several messages: call it with `more`"},
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
