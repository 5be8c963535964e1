/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The errors of the interfaces, in one table: the name on the wire, the parameters it carries, and a sentence
 * for people. The broker makes replies of them, libtokend turns replies into them.
 */
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
        /* io.tokend.Status */
        PROTO_CLAIM_NOT_FOUND,
        /* all of them */
        PROTO_AUDIT_UNAVAILABLE,
        /* org.varlink.service */
        PROTO_INTERFACE_NOT_FOUND,
        PROTO_METHOD_NOT_FOUND,
        PROTO_METHOD_NOT_IMPLEMENTED,
        PROTO_INVALID_PARAMETER,
        PROTO_EXPECTED_MORE,
        PROTO_ERROR_MAX_,
};

/* The part behind the last dot: "KeyNotFound". */
const char *proto_error_name(enum proto_error error);

/* Whether it is declared by org.varlink.service; else by each interface that uses it, under that one's name. */
int proto_error_is_service(enum proto_error error);

/* A sentence for people, without the parameters. */
const char *proto_error_sentence(enum proto_error error);

/* From a full name on the wire ("io.tokend.Keys.KeyNotFound", whatever the interface before the last dot);
 * PROTO_OK where it is none of ours. */
enum proto_error proto_error_from_name(const char *name);
