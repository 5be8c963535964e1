/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One record of the audit: what was done with which key for whom, and how it ended. The broker fills it; here it is
 * rendered for the file (JSON) and for the journal (fields). It has no place for a PIN or for a message. Pure, thread-safe.
 *
 * For a Sign of a digest, the digest is recorded. For a Sign of a message, the length of the message is recorded, and its
 * digest only if the caller has one: the one thread of the broker does not hash 128 KiB for a record.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/util/journal.h"
#include "daemon/util/macros.h"

/*
 * Every kind of record: its constant, its name, and the id of its message in the journal. The ids never change:
 * systemd/tokend.catalog explains each, and the alerts of operators name them.
 *
 * AUDIT_MAINTAIN: `operation` says what an operator did with a token. AUDIT_DENIED: `operation` says what was denied. AUDIT_REPEAT: `operation` is about to run once more, because its worker
 * died. AUDIT_LOST: from now on records cannot be kept, and `reason` says why. AUDIT_BACK: from now on they can be kept again,
 * and `count` says how many were not.
 */
/* clang-format off */
#define AUDIT_KINDS(X) \
        X(AUDIT_SIGN,      "sign",       "064d8fdbdff84aef805098ac97d963e8") \
        X(AUDIT_GENERATE,  "generate",   "27fc11adb2544bbcb4e39cce05fd1f25") \
        X(AUDIT_DELETE,    "delete",     "dd7036d327d045e98627a0158b2af4f8") \
        X(AUDIT_REQUEST,   "request",    "1ca5feccdfa0440ab1b84c29d92b761c") \
        X(AUDIT_SELF_SIGN, "self-sign",  "1b2ad5dc2f034c7285ef4965bebeb591") \
        X(AUDIT_IMPORT,    "import",     "f272adeeb1a74ba1b92dbfb87ec8dd6a") \
        X(AUDIT_DECRYPT,   "decrypt",    "8d24dd9eed9b4256aa1ddafb22dc0d4f") \
        X(AUDIT_DERIVE,    "derive",     "cf20bb59f0bd41a6add0dc5ddf5300b2") \
        X(AUDIT_ENCRYPT,   "encrypt",    "9697cf3fbdc540e68cc43f8e2e08c1e1") \
        X(AUDIT_WRAP,      "wrap",       "a84b2673cb22493184532cc2d64cc16a") \
        X(AUDIT_UNWRAP,    "unwrap",     "a90ca0a0a00546e6b3cadf52d2513138") \
        X(AUDIT_RENAME,    "rename",     "4b2efe2cae4d4de898355728505bec7d") \
        X(AUDIT_PROBE,     "probe",      "34ea360aa02147c7a1351e753f225415") \
        X(AUDIT_MAINTAIN,  "maintain",   "0a5d5b1f6f0c4f7fb5b8a2f3d8c1e946") \
        X(AUDIT_LOGIN,     "login",      "4553c6ff31624ce8aa8a8bb4478a043f") \
        X(AUDIT_DENIED,    "denied",     "a1a7d7fb38f44040b4a30f7f0604ee87") \
        X(AUDIT_REPEAT,    "repeat",     "1f3a6a2195c147e09f01122d403641b5") \
        X(AUDIT_LOST,      "audit-lost", "426f11c54c7c4ac7adbb34741e6b18fc") \
        X(AUDIT_BACK,      "audit-back", "4e9a5f2a46364f60baa4c2f6477ba1f2")
/* clang-format on */

#define AUDIT_KIND_CONSTANT(constant, name, id) constant,
enum audit_kind {
        AUDIT_KIND_NONE_,
        AUDIT_KINDS(AUDIT_KIND_CONSTANT) AUDIT_KIND_MAX_,
};

/* Strings and bytes are borrowed. What is NULL, 0 or false is left out of the record. Strings may hold any bytes. */
struct audit_record {
        enum audit_kind kind;
        uint64_t when_usec; /* wall clock */
        const char *instance;
        bool has_peer; /* whether uid, gid and pid are known */
        uid_t uid;
        gid_t gid;
        pid_t pid;
        const char *unit;
        const char *token, *nickname;
        const uint8_t *key_id; /* CKA_ID */
        size_t key_id_length;
        const char *sealed;    /* the fingerprint of a sealed key that was made or wrapped */
        const char *operation; /* as in config_right_name(); NULL: the kind's name */
        const char *algorithm;
        const uint8_t
                *digest; /* of what was signed; of a certificate that was made or imported, its SHA-256 */
        size_t digest_length;
        bool of_message;
        uint64_t message_length; /* bytes, with of_message */
        /* "ok"; "begun": before an operation that changes a token; "dropped": it was not done, because its client had gone; else
         * the name of the error */
        const char *result;
        const char *ckr;    /* its name, as in TokenError */
        const char *reason; /* a sentence */
        const char *detail; /* more of it, for operators; in the journal alone */
        uint64_t request;   /* the broker's number of the request, the same in every attempt */
        unsigned attempt;   /* 1, 2 */
        uint64_t count;     /* with AUDIT_BACK */
};

/* The `kind` in the file: "sign", "self-sign", "audit-lost". NULL: there is no such kind. */
const char *audit_kind_name(unsigned kind);

/* MESSAGE_ID in the journal and in systemd/tokend.catalog: 32 hexadecimal digits. NULL: there is no such kind. */
const char *audit_message_id(unsigned kind);

/* Writes the record as one JSON object, with a NUL and without a newline. Strings are escaped as by json_string_next(); one that has more
 * than 1 KiB then is cut and ends with U+2026. -EMSGSIZE: it needs more than size bytes, or key_id or digest has more than
 * LIMIT_KEY_ID; -EINVAL: the kind is unknown. */
int audit_json(const struct audit_record *record, char *ret, size_t size, size_t *ret_length);

/* Writes the record as journal fields: MESSAGE_ID, MESSAGE (a sentence), PRIORITY, and TOKEND_… for what the JSON has. The bytes of
 * strings are not escaped. Each record has TOKEND_WHO, TOKEND_WHAT, TOKEND_WITH and TOKEND_END too, which the catalog puts into its
 * sentences: the caller, the key, the algorithm and the end, or a word where there is none. -EMSGSIZE; -EINVAL. */
int audit_journal(const struct audit_record *record, struct journal_record *ret);

/* Writes text as a JSON string with its quotes and a NUL. Returns its length; 0: it does not fit into size bytes. */
size_t audit_quote(const char *text, char *ret, size_t size);

/* "2026-11-24T18:41:48.123456Z": 27 characters and a NUL. */
#define AUDIT_TIME_SIZE 28
void audit_time(uint64_t wall_usec, char ret[static AUDIT_TIME_SIZE]);
