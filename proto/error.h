/* SPDX-License-Identifier: MPL-2.0 */
/* The errors of the interfaces: their names on the wire, and a sentence for people. Pure, thread-safe. */
#pragma once

#include <json-c/json.h>

enum proto_error {
        PROTO_OK = 0,
        /* io.tokend.Keys */
        PROTO_KEY_NOT_FOUND,
        PROTO_AMBIGUOUS_NAME,
        PROTO_TOKEN_NOT_FOUND,
        PROTO_NICKNAME_EXISTS,
        PROTO_ALGORITHM_NOT_SUPPORTED,
        PROTO_PERMISSION_DENIED,
        PROTO_TOKEN_UNAVAILABLE,
        PROTO_TOKEN_ERROR,
        PROTO_OVERLOADED,
        PROTO_DEADLINE_EXCEEDED,
        PROTO_OUTCOME_UNKNOWN,
        PROTO_WORKER_LOST,
        /* io.tokend.Certificates */
        PROTO_CERTIFICATE_NOT_FOUND,
        PROTO_NOT_A_CERTIFICATE,
        /* io.tokend.Secrets */
        PROTO_SECRET_NOT_FOUND,
        PROTO_NOT_OUR_SEAL,
        /* io.tokend.Status */
        PROTO_CLAIM_NOT_FOUND,
        /* every interface of ours */
        PROTO_AUDIT_UNAVAILABLE,
        /* org.varlink.service */
        PROTO_INTERFACE_NOT_FOUND,
        PROTO_METHOD_NOT_FOUND,
        PROTO_METHOD_NOT_IMPLEMENTED,
        PROTO_INVALID_PARAMETER,
        PROTO_EXPECTED_MORE,
        PROTO_ERROR_MAX_,
};

/* The name without the interface: "KeyNotFound". Static. */
const char *proto_error_name(enum proto_error error);

/* Whether org.varlink.service declares it. Any other error is declared by each interface that uses it, under its own name. */
int proto_error_is_service(enum proto_error error);

/* A sentence for people, without the parameters of the error. Static. */
const char *proto_error_sentence(enum proto_error error);

/* The error of a full name on the wire, such as "io.tokend.Keys.KeyNotFound"; the interface is not looked at. PROTO_OK: the name is
 * unknown. */
enum proto_error proto_error_from_name(const char *name);
