/* SPDX-License-Identifier: MPL-2.0 */
/* The types of values: how each is stored and checked, and in words what is expected. Used by the table of keys. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"
#include "daemon/util/name-service.h"

enum storage {
        STORAGE_TEXT,   /* char *; NULL: not set */
        STORAGE_LIST,   /* char **, NULL at the end */
        STORAGE_NUMBER, /* unsigned */
        STORAGE_USEC,   /* uint64_t, of a duration */
        STORAGE_ID,     /* uid_t or gid_t; -1: not set */
        STORAGE_SIZE,   /* uint64_t, bytes */
        STORAGE_ROLE,   /* unsigned, one of a few words: enum token_role, or 0 and 1 */
        STORAGE_RIGHTS, /* unsigned, mask of enum config_right */
};

enum type_reference {
        REFERENCE_NONE,
        REFERENCE_OWN,   /* to a token that serves keys */
        REFERENCE_OTHER, /* to any token */
        REFERENCE_ACCELERATOR,
};

struct config_type {
        enum storage storage;
        enum type_reference reference; /* of a text or of each item: the name of a token */
        bool hidden;                   /* a value that may hold a secret is not repeated in a message */
        const char *expected; /* after "must be"; of numbers, durations and sizes the range is added */
        bool (*valid)(const char *text); /* of a text, and of each item of a list */
        int (*check)(const char *text);  /* in its place, where that needs memory: 0, -EINVAL, -ENOMEM */
        /* What is wrong with a text that is not valid, if `expected` does not tell. The caller frees. NULL: no memory. */
        char *(*explain)(const char *text);
        int (*number)(const char *text, uint64_t *ret); /* of all other types; of rights: of one word */
        enum name_kind named;                           /* what is no number may be a name of that kind */
        const char *(*name)(unsigned value);            /* of a role and of one right */
};

extern const struct config_type type_path, type_socket, type_module, type_uri, type_pin, type_unit,
        type_globs, type_environment, type_own_token, type_other_tokens, type_accelerator, type_number,
        type_duration, type_days, type_size, type_boolean, type_audit, type_audit_key, type_role,
        type_session_copies, type_rights, type_user, type_group;
