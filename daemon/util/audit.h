/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One record of the audit: what was done with which key for whom, and how it ended. The broker fills it; here
 * it is rendered for the file (JSON) and for the journal (fields). It has no place for a PIN or for a
 * message. Pure.
 *
 * Of a Sign by digest the digest is recorded. Of a Sign by message it is the message's length, and the digest
 * too where the caller of this has one: neither the message nor a hash that the broker would have to make
 * (its one thread does not hash 128 KiB for a record).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/util/journal.h"
#include "daemon/util/macros.h"

enum audit_kind {
        AUDIT_SIGN = 1,
        AUDIT_GENERATE,
        AUDIT_DELETE,
        AUDIT_REQUEST,
        AUDIT_SELF_SIGN,
        AUDIT_IMPORT,
        AUDIT_PROBE,
        AUDIT_LOGIN,
        AUDIT_DENIED, /* operation says of what */
        AUDIT_REPEAT, /* likewise: it is about to run once more, after its worker died */
        AUDIT_LOST,   /* records cannot be kept from now on; reason says why */
        AUDIT_BACK,   /* and now they can; count: how many were not */
        AUDIT_KIND_MAX_,
};

/* Strings and bytes are the caller's. NULL, 0 and false: left out of the record. Strings may hold anything.
 */
struct audit_record {
        enum audit_kind kind;
        uint64_t when_usec; /* wall clock */
        const char *instance;
        bool has_peer; /* uid, gid and pid are known */
        uid_t uid;
        gid_t gid;
        pid_t pid;
        const char *unit;
        const char *token, *nickname;
        const uint8_t *key_id; /* CKA_ID */
        size_t key_id_length;
        const char *operation; /* as in config_right_name(); NULL: the kind's name */
        const char *algorithm;
        const uint8_t
                *digest; /* of what was signed; of a certificate that was made or imported, its SHA-256 */
        size_t digest_length;
        bool of_message;
        uint64_t message_length; /* bytes, with of_message */
        /* "ok"; "begun" before an operation that changes a token; "dropped": it was not done, its client had gone; else the error's
         * name */
        const char *result;
        const char *ckr;    /* its name, as in TokenError */
        const char *reason; /* a sentence */
        uint64_t request;   /* the broker's number: the same in every attempt; 0: left out */
        unsigned attempt;   /* 1, 2; 0: left out */
        uint64_t count;     /* with AUDIT_BACK */
};

/* As in the file's `kind`: "sign", "self-sign", "audit-lost". NULL where there is none. */
const char *audit_kind_name(unsigned kind);

/* 32 hex digits, as the journal and systemd/tokend.catalog have it. NULL where there is none. */
const char *audit_message_id(unsigned kind);

/* The record as one JSON object without a newline, NUL-terminated. What is not UTF-8 is U+FFFD; control
 * characters and those that turn the direction of text are escaped. A string of more than 1 KiB, escaped, is cut,
 * and ends with U+2026. -EMSGSIZE: it needs more than size, or bytes in it are more than LIMIT_KEY_ID. */
int audit_json(const struct audit_record *record, char *ret, size_t size, size_t *ret_length);

/* The record as journal fields: MESSAGE_ID, MESSAGE (a sentence), PRIORITY, and TOKEND_… as the JSON has
 * them; bytes of strings as they are. -EMSGSIZE. */
int audit_journal(const struct audit_record *record, struct journal_record *ret);

/* A JSON string of text with its quotes, escaped as above. Returns its length; 0 where it does not fit with
 * its NUL. */
size_t audit_quote(const char *text, char *ret, size_t size);

/* "2026-11-24T18:41:48.123456Z": 27 characters and a NUL. */
#define AUDIT_TIME_SIZE 28
void audit_time(uint64_t wall_usec, char ret[static AUDIT_TIME_SIZE]);
