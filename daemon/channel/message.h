/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The messages between our own processes, each as one list of fields, from which its struct, its put and its
 * get are made: the two sides cannot differ. The first byte of a message is its type.
 *
 * These channels carry them:
 *   request  broker <-> worker      (the worker's descriptor 3)
 *   control  supervisor <-> worker  (the worker's descriptor 4)
 *   control  supervisor <-> broker  (the broker's descriptor 3)
 *   peer     worker <-> worker of its accelerator (each gets its end with PEER)
 *   audit    broker <-> audit       (the audit process's descriptor 3)
 *   control  supervisor <-> audit   (the audit process's descriptor 4)
 * Strings and bytes that get returns point into the received buffer.
 */
#pragma once

#include "daemon/channel/channel.h"
#include "daemon/channel/message-words.h"
#include "daemon/channel/wire.h"

/* Raised with any change of a message: processes of two builds must not talk. Carried by HELLO and START. */
#define MESSAGE_VERSION 2U

/* clang-format off */

/*
 * The operations: what a broker asks of a worker, on the request channel. One row each:
 *   O(NAME, name, what may be done with it: a mask of enum operation_class, what an OK reply carries, its own fields)
 * Each begins with these fields, so that whoever sends it needs not know which operation it is:
 *   request  the broker's number, never used twice; its upper 32 bits are the channel's epoch, so that an answer meant for
 *            a broker that is dead is told from garbage
 *   key      the number of its object in the directory; 0: it has none. To an accelerator: the number of the copy
 *   again    an earlier try was answered REPLY_CLAIMED
 */
#define OPERATION_HEAD(F) F(u64, request) F(u64, key) F(u8, again)
#define OPERATIONS(O, F) \
        /* A digest (prehashed, of a length that the algorithm takes) or a message. salted: the salt of PSS has salt bytes, and \
         * not the hash's. */ \
        O(SIGN, sign, CLASS_REQUEST | CLASS_REPEATED | CLASS_OBJECT, ANSWER_SIGNATURE, \
          F(u8, algorithm) F(u8, prehashed) F(u8, salted) F(u32, salt) F(bytes, data)) \
        /* To an accelerator: SIGN with a copy. REPLY_KEY_GONE: it has no copy of that number. */ \
        O(SIGN_COPY, sign_copy, CLASS_REQUEST, ANSWER_SIGNATURE, F(u8, algorithm) F(u8, prehashed) \
          F(u8, salted) F(u32, salt) F(bytes, data)) \
        /* With an RSA key; decryption: enum decryption; label: of OAEP. REPLY_INVALID (ciphertext) says the same, as late, whatever is
         * wrong with the padding. */ \
        O(DECRYPT, decrypt, CLASS_REQUEST | CLASS_REPEATED | CLASS_OBJECT, ANSWER_PLAINTEXT, \
          F(u8, decryption) F(bytes, label) F(bytes, ciphertext)) \
        /* ECDH. peer: an uncompressed point, or SubjectPublicKeyInfo. */ \
        O(DERIVE, derive, CLASS_REQUEST | CLASS_REPEATED | CLASS_OBJECT, ANSWER_COORDINATE, F(bytes, peer)) \
        /* By the device's own C_Verify where the mechanism is there, else by NSS. Reply payload: one byte, 0 or 1. */ \
        O(VERIFY, verify, CLASS_REQUEST | CLASS_REPEATED, ANSWER_FLAG, F(bytes, spki) \
          F(u8, algorithm) F(u8, prehashed) F(bytes, data) F(bytes, signature)) \
        O(RANDOM, random, CLASS_REQUEST | CLASS_REPEATED, ANSWER_RANDOM, F(u32, length)) \
        /* A PKCS #10 request; payload: its DER. algorithm: 0 for the key's own (SHA-256, or what the curve wants).
         * subject: RFC 4514. dns_names: each ended by a NUL. */ \
        O(CERT_REQUEST, cert_request, CLASS_REQUEST | CLASS_REPEATED | CLASS_OBJECT, ANSWER_DER, \
          F(u8, algorithm) F(text, subject) F(bytes, dns_names)) \
        /* size: bits of the modulus or the curve; usage: mask of enum key_usage; id: a CKA_ID nobody else uses. fixed_id:
         * it stays the pair's, and the client chose it; else it is another at the end. */ \
        O(GENERATE, generate, CLASS_REQUEST | CLASS_CHANGES | CLASS_SETTLED | CLASS_NAMES, \
          ANSWER_KEY, F(text, nickname) F(bytes, id) F(u8, key_type) F(u32, size) F(u32, usage) \
          F(u8, loadable) F(u8, fixed_id)) \
        /* Another nickname for a key, on both halves. was: the one that it has; empty: whatever it is. */ \
        O(RENAME, rename, CLASS_REQUEST | CLASS_CHANGES | CLASS_NAMES | CLASS_OBJECT, ANSWER_KEY, \
          F(text, nickname) F(text, was)) \
        O(DELETE, delete, CLASS_REQUEST | CLASS_CHANGES | CLASS_SETTLED | CLASS_OBJECT, \
          ANSWER_NOTHING,) \
        /* Makes a certificate and puts it on the token under the key's nickname. */ \
        O(SELF_SIGN, self_sign, CLASS_REQUEST | CLASS_CHANGES | CLASS_NAMES | CLASS_OBJECT, \
          ANSWER_CERTIFICATE, F(u8, algorithm) F(text, subject) F(u32, days) F(u8, ca) \
          F(bytes, dns_names)) \
        /* key: of the key that the certificate is for and whose nickname it gets; 0: the certificate stands alone. names: the key has no
         * name yet, and gets that of the certificate. replace: it may be there already, and then those of these marks go
         * (certificate_mark(), one after the other). */ \
        O(IMPORT, import, CLASS_REQUEST | CLASS_CHANGES | CLASS_NAMES | CLASS_OBJECT, \
          ANSWER_CERTIFICATE, F(text, nickname) F(u8, names) F(bytes, der) F(u8, replace) \
          F(bytes, marks)) \
        /* key: of the certificate. */ \
        O(CERT_DELETE, cert_delete, CLASS_REQUEST | CLASS_CHANGES | CLASS_OBJECT, ANSWER_NOTHING,) \
        /* A secret key on the token. type: enum secret_type; size: bytes; usage: mask of enum key_usage; id: a CKA_ID nobody
         * else uses. */ \
        O(SECRET_GENERATE, secret_generate, CLASS_REQUEST | CLASS_CHANGES | CLASS_NAMES, ANSWER_SECRET, \
          F(text, nickname) F(bytes, id) F(u8, type) F(u32, size) F(u32, usage)) \
        O(SECRET_DELETE, secret_delete, CLASS_REQUEST | CLASS_CHANGES | CLASS_OBJECT, ANSWER_NOTHING,) \
        /* A new sealed key; of a pair the private half, and the public one. instance: whose it is. Here and below the keys of
         * that instance are made, under a claim, where the token lacks them. */ \
        O(SEALED_GENERATE, sealed_generate, CLASS_REQUEST | CLASS_REPEATED | CLASS_NAMES, ANSWER_SEALED, \
          F(text, instance) F(u8, type) F(u32, size) F(u32, usage)) \
        /* Below, the key that is used is sealed or, if sealed is empty, key. algorithm: enum secret_algorithm. type, size, usage:
         * of the key that is made. A parameter that the algorithm does not have is empty. */ \
        O(UNWRAP, unwrap, CLASS_REQUEST | CLASS_REPEATED | CLASS_NAMES | CLASS_OBJECT, ANSWER_SEALED, \
          F(text, instance) F(bytes, sealed) F(u8, algorithm) F(bytes, iv) F(bytes, label) \
          F(bytes, wrapped) F(u8, type) F(u32, size) F(u32, usage)) \
        /* secret: a sealed key. spki: the public key that wraps, instead of sealed and key. */ \
        O(WRAP, wrap, CLASS_REQUEST | CLASS_REPEATED | CLASS_OBJECT, ANSWER_WRAPPED, F(text, instance) \
          F(bytes, sealed) F(bytes, spki) F(u8, algorithm) F(bytes, iv) F(bytes, label) \
          F(bytes, secret)) \
        /* other: a sealed key. spki: of the peer. */ \
        O(SECRET_DERIVE, secret_derive, CLASS_REQUEST | CLASS_REPEATED | CLASS_NAMES | CLASS_OBJECT, \
          ANSWER_SEALED, F(text, instance) F(bytes, sealed) F(u8, algorithm) F(bytes, data) F(u64, bit) \
          F(bytes, other) F(bytes, spki) F(u8, type) F(u32, size) F(u32, usage)) \
        O(CIPHER, cipher, CLASS_REQUEST | CLASS_REPEATED | CLASS_OBJECT, ANSWER_CIPHERED, \
          F(text, instance) F(bytes, sealed) F(u8, algorithm) F(u8, decrypts) F(bytes, iv) F(bytes, aad) \
          F(bytes, data)) \
        /* As SIGN, with a sealed key. */ \
        O(SIGN_SEALED, sign_sealed, CLASS_REQUEST | CLASS_REPEATED, ANSWER_SIGNATURE, F(text, instance) \
          F(bytes, sealed) F(u8, algorithm) F(u8, prehashed) F(bytes, data)) \
        /* Removes another host's claim. REPLY_KEY_GONE: the token has no such claim. */ \
        O(UNCLAIM, unclaim, CLASS_CHANGES, ANSWER_NOTHING, F(text, nickname) F(bytes, claimant)) \
        /* Asks the device itself (C_GetTokenInfo and C_GetSessionInfo). */ \
        O(PROBE, probe, 0, ANSWER_NOTHING,) \
        /* Brings the directory up to date: ENTRY and DROP of what changed (all: of everything, after HELLO), then
         * SETTLED, then the reply. no_copies: no session copies of keys are to be made. */ \
        O(REFRESH, refresh, 0, ANSWER_NOTHING, F(u8, all) F(u8, no_copies)) \
        /* Copies a key to the token's accelerator, over the peer channel. spki: its public half, which the copy must match. Payload:
         * the number of the copy, and of the one that had to make room for it (0: none); u64 each. REPLY_NOT_SUPPORTED: it will
         * not do another time either. */ \
        O(LOAD, load, CLASS_OBJECT, ANSWER_COPY, F(bytes, spki)) \
        /* To an accelerator: the copy's key is gone, and so is to be the copy. */ \
        O(FORGET_COPY, forget_copy, 0, ANSWER_NOTHING,) \
        /* After a worker died in a generate: is the pair of this id there and whole? REPLY_OK: yes, in the directory.
         * REPLY_KEY_GONE: no, and what there was of it has been removed. */ \
        O(SETTLE, settle, CLASS_CHANGES, ANSWER_NOTHING, F(text, nickname) F(bytes, id) F(u8, fixed_id))

/* Every other message: M(NAME, name, fields). */
#define OTHER_MESSAGES(M, F) \
        /* ---- request channel, worker to broker ---- */ \
        /* The first message of every channel. threads: how many requests may be out at once; busy: how many of these
         * still work for a broker that is gone (each answers once, with its old number, when it is free). mechanisms: u64 each;
         * wraps, unwraps: those of them that do so.
         * The texts up to slot_id are a struct uri_token. */ \
        M(HELLO, hello, F(u32, version) F(text, label) F(text, serial) F(text, manufacturer) F(text, model) \
          F(text, slot_description) F(text, slot_manufacturer) F(text, library_description) \
          F(text, library_manufacturer) F(text, library_version) F(u64, slot_id) F(u32, session_limit) \
          F(u32, threads) F(u32, busy) F(bytes, mechanisms) F(bytes, wraps) F(bytes, unwraps)) \
        /* One object of the directory, new or changed. key_type and size of a secret: enum secret_type, bytes. number: never used twice in a worker's life. nickname: empty where
         * there is none that could be listed. other_names: of a key that has its nickname from one of several certificates, those of the
         * others, each ended by a NUL: each names the key. der: SubjectPublicKeyInfo of a key, the certificate itself of a certificate. The
         * rest is of a certificate (empty, 0 of a key): subject and issuer in RFC 4514, serial in lower-case hex, times since
         * 1970 (before that: 0). */ \
        M(ENTRY, entry, F(u64, number) F(u8, kind) F(text, nickname) F(bytes, other_names) F(bytes, id) \
          F(u8, key_type) F(u32, size) F(u32, usage) F(u32, flags) F(bytes, der) F(text, subject) F(text, issuer) \
          F(text, serial) F(u64, not_before_usec) F(u64, not_after_usec)) \
        M(DROP, drop, F(u64, number)) \
        M(SETTLED, settled, F(u64, generation)) \
        /* device_usec: what the calls into the module took, all of them. payload: the signature, the random bytes, or
         * the number (u64) of the key that was made. parameter: of REPLY_INVALID, the parameter of the method; empty if the worker does not know it. text: a
         * sentence for the log and the client, or empty. */ \
        M(REPLY, reply, F(u64, request) F(u8, status) F(u64, ckr) F(u64, device_usec) \
          F(bytes, payload) F(text, parameter) F(text, text)) \
        /* Whenever one of them changes. logins: in this worker's life. copies: session copies of keys; faster, not_faster: keys of
         * which the trial has shown so. copying: calls of C_CopyObject that are under way, told before they are made. */ \
        M(SESSIONS, sessions, F(u32, open) F(u32, logins) F(u32, copies) F(u32, faster) F(u32, not_faster) \
          F(u32, copying)) \
        /* Before SETTLED of a REFRESH, once for each claim of another host that lies on the token now; holds_claims: 0 where the
         * token takes no data objects, so that nicknames are checked only. */ \
        M(CLAIMS, claims, F(u8, holds_claims)) \
        M(CLAIM, claim, F(text, nickname) F(bytes, claimant) F(text, host) F(u64, since_usec)) \
        /* ---- control, supervisor to worker ---- */ \
        /* The first message. A sealed memfd with the configuration (config_format) comes with it. look: enum
         * look. patience: each call of the start may take 2^patience times Timeout=. anew: databases of an internal token that are gone
         * may be made anew. beside: another worker serves, and what it has begun is not to be settled. */ \
        M(START, start, F(u32, version) F(text, token) F(u32, epoch) F(u8, look) F(u8, patience) F(u8, anew) \
          F(u8, beside)) \
        /* A fresh request channel (descriptor) for a new broker. Also to the broker: its audit channel, at the start and for a new
         * audit process; epoch 0 there. */ \
        M(CHANNEL, channel, F(u32, epoch)) \
        /* Also to the broker. Answered with PONG of the same number by whoever still makes progress. */ \
        M(PING, ping, F(u64, number)) \
        /* A fresh peer channel (descriptor) to the worker of that token, instead of the one before. */ \
        M(PEER, peer, F(text, token)) \
        /* ---- peer channel, key's worker to accelerator's. Neither trusts the other further than a copy goes. ---- */ \
        /* Before a transfer: which transport key? number: rising; answers carry it. spki: of the key that is to come. Answered
         * with TRANSFERRED where a copy of it, from this token, is there already. */ \
        M(TRANSPORT, transport, F(u64, number) F(bytes, spki)) \
        /* wrapping_key: AES-256, wrapped with OAEP (SHA-1, MGF1 with SHA-1, no label) for the transport key; key: PKCS #8, wrapped
         * (RFC 5649) with that. */ \
        M(TRANSFER, transfer, F(u64, number) F(bytes, spki) F(bytes, wrapping_key) F(bytes, key)) \
        /* ---- peer channel, accelerator's worker to key's ---- */ \
        /* The transport key's public half: big-endian integers. */ \
        M(TRANSPORT_KEY, transport_key, F(u64, number) F(bytes, modulus) F(bytes, exponent)) \
        /* status: enum reply_status; copy, evicted: as LOAD answers. */ \
        M(TRANSFERRED, transferred, F(u64, number) F(u8, status) F(u64, ckr) F(u64, copy) \
          F(u64, evicted) F(text, text)) \
        /* ---- control, worker to supervisor ---- */ \
        M(PONG, pong, F(u64, number)) \
        /* Logged in, threads stand. Of a look: it goes on. */ \
        M(UP, up, F(u32, threads)) \
        /* The last message of a worker that ends itself. reason: a sentence for people. */ \
        M(ENDING, ending, F(u8, end) F(u64, ckr) F(text, reason)) \
        /* The answer to the end of the control where calls into the module are in progress: the worker ends when they have
         * returned, or in usec. */ \
        M(LEAVING, leaving, F(u64, usec)) \
        /* A fresh process should look for this nickname; answered with SOUGHT of the same number. One at a time. The supervisor
         * hands it on to that process. claimant, claim: whose claim is ours; claimant is empty where none was written. scope:
         * enum nickname_scope; id: of its keys; known: marks of certificates that may bear the nickname. */ \
        M(SEEK, seek, F(u64, number) F(text, nickname) F(bytes, claimant) F(u64, claim) F(bytes, id) \
          F(u8, scope) F(bytes, known)) \
        /* ---- control, a look's process to supervisor, and supervisor to worker ---- */ \
        /* ok 0: the look failed, ckr (0: no call of the token's did) and reason say how. seen: mask of enum seen. */ \
        M(SOUGHT, sought, F(u64, number) F(u8, ok) F(u8, seen) F(u64, ckr) F(text, reason)) \
        /* ---- control, supervisor to broker ---- */ \
        /* The first message, and again with every change; with the configuration in force as a sealed memfd. started_usec: wall clock. \
         * read 1: an operator had the files read. */ \
        M(CONFIG, config, F(u32, version) F(u64, started_usec) F(u8, read)) \
        /* A listening socket (descriptor). */ \
        M(LISTEN, listen, F(u8, kind)) \
        /* A worker's request channel (descriptor). life: which worker of this token, ever rising. beside: it is a newcomer, and the one \
         * that serves goes on. */ \
        M(WORKER, worker, F(text, token) F(u64, life) F(u32, epoch) F(u8, beside)) \
        /* The newcomer of that life, whose SERVING came, serves from now on; the other finishes what it has, then REPLACE is asked for. */ \
        M(TAKE_OVER, take_over, F(text, token) F(u64, life)) \
        /* The worker of that life was reaped: nothing more comes from it. */ \
        M(GONE, gone, F(text, token) F(u64, life)) \
        /* The worker of that life finishes what it has, gets no more, then REPLACE is asked for. */ \
        M(RETIRE, retire, F(text, token) F(u64, life) F(text, reason)) \
        /* What the status shows. restarts: as life_restarts() counts. end: enum worker_end of the last worker; 0: it has not ended. */ \
        M(TOKEN, token, F(text, token) F(u8, state) F(text, reason) F(u64, since_usec) \
          F(u32, restarts) F(u8, end)) \
        /* Whether the files, as they were read last, are in force; if not, why. since_usec: wall clock. */ \
        M(CONFIG_STATE, config_state, F(u8, ok) F(text, reason) F(u64, since_usec)) \
        /* What became of what an operator wanted; TOKEN came before. done 0: it is not so, and reason says why. */ \
        M(MAINTAINED, maintained, F(text, token) F(u64, number) F(u8, done) F(text, reason)) \
        /* A look's request channel (descriptor): HELLO, ENTRY of everything, SETTLED, EOF. */ \
        M(LOOK, look, F(text, token)) \
        /* No new connection, no new request; answer what is there, then DRAINED. */ \
        M(DRAIN, drain, F(u64, deadline_usec)) \
        /* The end of the starting messages: seccomp now. Also after a reload's. */ \
        M(GO, go, F(u8, unused)) \
        /* ---- control, broker to supervisor ---- */ \
        /* The directory of the worker of that life is here: the token is ready. */ \
        M(SERVING, serving, F(text, token) F(u64, life)) \
        M(DRAINED, drained, F(u8, unused)) \
        /* A fresh process should look at this token (then LOOK comes), or its worker should be replaced; full: it should end, and \
         * none is to follow. */ \
        M(LOOK_PLEASE, look_please, F(text, token)) \
        M(REPLACE, replace, F(text, token) F(u64, life) F(u8, full) F(text, reason)) \
        /* An operator says so: make the databases of an internal token anew, if they are gone. */ \
        M(MAKE_ANEW, make_anew, F(text, token)) \
        /* Likewise: enum maintenance. number: rising; MAINTAINED answers all up to it. */ \
        M(MAINTAIN, maintain, F(text, token) F(u64, number) F(u8, what) F(u32, uid)) \
        /* In which unit is the process that connected? With its pidfd, where the kernel gives one for a socket. pid: its number;
         * accepted_usec: CLOCK_BOOTTIME, when its connection was accepted. Each is answered with UNIT of the same ticket. */ \
        M(UNIT_PLEASE, unit_please, F(u64, ticket) F(u32, pid) F(u64, accepted_usec)) \
        /* The socket to journald is of no use any more, or there was none: another. Answered with JOURNAL. */ \
        M(JOURNAL_PLEASE, journal_please, F(u8, unused)) \
        /* ---- control, supervisor to broker again ---- */ \
        /* unit: empty where it cannot be told. */ \
        M(UNIT, unit, F(u64, ticket) F(text, unit)) \
        /* A socket that is connected to journald (descriptor). Without a descriptor: there is no journald. */ \
        M(JOURNAL, journal, F(u8, unused)) \
        /* ---- control, supervisor to audit (beside PING, and CHANNEL: a fresh audit channel for a new broker). EOF: write
         * what was received, and end. DRAIN: sign the head by then, answer DRAINED, go on until EOF. ---- */ \
        /* The first message. rotate_size: bytes, 0 for never; sign_interval_usec: 0 where there is no AuditKey=; keep_days: 0 for ever. Again on
         * reload, where path must be the same (else the process is to be replaced). */ \
        M(AUDIT_START, audit_start, F(u32, version) F(text, path) F(u64, rotate_size) \
          F(u64, sign_interval_usec) F(u32, keep_days)) \
        /* Sign the head, rename the file, start the next. Also of the broker to the supervisor: an operator says so. */ \
        M(AUDIT_ROTATE, audit_rotate, F(u8, unused)) \
        /* ---- audit channel, broker to audit ---- */ \
        /* One JSON object (audit_json()), up to LIMIT_AUDIT_RECORD bytes. number: rising, never 0, from any start in each
         * channel. */ \
        M(RECORD, record, F(u64, number) F(text, text)) \
        /* The answer to HEAD of that seq. ok 0: reason says why, the rest is empty. algorithm: enum algorithm; key: as in
         * AuditKey=; spki: SubjectPublicKeyInfo of the key that signed. */ \
        M(HEAD_SIGNED, head_signed, F(u64, seq) F(u8, ok) F(u8, algorithm) F(text, key) \
          F(bytes, spki) F(bytes, signature) F(text, reason)) \
        /* ---- audit channel, audit to broker. Every record is answered by exactly one of SAFE and UNSAFE, in order: each
         * answers all records up to number that were not answered before. ---- */ \
        /* They are on the disk. seq: the number, in the file, of the last record there. */ \
        M(SAFE, safe, F(u64, number) F(u64, seq)) \
        /* They are not. They are kept, within bounds, and written late where that becomes possible; but for one that was
         * refused, because the broker may not write such a record. */ \
        M(UNSAFE, unsafe, F(u64, number)) \
        /* At the start of a channel and with every change of ok or of the signed head. reason: why not ok; lost: records
         * that were given up since the process started; signed_seq, signed_usec (wall clock): the last signed head, 0: none;
         * rotated_seq: the last record of the file that was renamed last, 0: none was. */ \
        M(AUDIT_STATE, audit_state, F(u8, ok) F(text, reason) F(u64, seq) F(u64, lost) \
          F(u64, signed_seq) F(u64, signed_usec) F(u64, rotated_seq)) \
        /* Please sign this (as Sign of a message does, not of a digest) with AuditKey=. seq: of the record that is the head. */ \
        M(HEAD, head, F(u64, seq) F(bytes, message))

#define MESSAGE_TYPE_(NAME, ...) MESSAGE_TYPE_##NAME,
/* The first byte of a message. Operations come first: MESSAGE_TYPE_NONE_ < type <= MESSAGE_TYPE_SETTLE. */
enum message_type {
        MESSAGE_TYPE_NONE_ = 0,
        OPERATIONS(MESSAGE_TYPE_, )
        OTHER_MESSAGES(MESSAGE_TYPE_, )
        MESSAGE_TYPE_MAX_,
};
#undef MESSAGE_TYPE_

#define FIELD_TYPE_u8 uint8_t
#define FIELD_TYPE_u32 uint32_t
#define FIELD_TYPE_u64 uint64_t
#define FIELD_TYPE_bytes struct wire_bytes
#define FIELD_TYPE_text const char *
#define MESSAGE_FIELD_(type, name) FIELD_TYPE_##type name;
/* For each message: struct message_NAME; message_put_NAME() writes type and fields; message_get_NAME() reads
 * the fields behind the type (message_type() took that): 0, or -EBADMSG where they do not fit exactly. */
#define MESSAGE_DECLARE_(NAME, name, fields)                                                                  \
        struct message_##name {                                                                               \
                fields                                                                                        \
        };                                                                                                    \
        void message_put_##name(struct wire *wire, const struct message_##name *message);                     \
        int message_get_##name(struct wire *wire, struct message_##name *ret);                                \
        /* Puts it into a buffer and sends it with n_fds descriptors. As channel_send(); -EMSGSIZE: too long. */ \
        int message_send_##name(int fd, const struct message_##name *message, const int *fds, size_t n_fds);
#define OPERATION_DECLARE_(NAME, name, class, answer, fields)                                                 \
        MESSAGE_DECLARE_(NAME, name, OPERATION_HEAD(MESSAGE_FIELD_) fields)
OPERATIONS(OPERATION_DECLARE_, MESSAGE_FIELD_)
OTHER_MESSAGES(MESSAGE_DECLARE_, MESSAGE_FIELD_)

/* What every operation begins with. */
struct operation_head {
        OPERATION_HEAD(MESSAGE_FIELD_)
};

/* Any operation. Texts and bytes are owned by whoever filled it in. */
union operation_message {
        struct operation_head head;
#define OPERATION_MEMBER_(NAME, name, class, answer, fields) struct message_##name name;
        OPERATIONS(OPERATION_MEMBER_, )
#undef OPERATION_MEMBER_
};
/* clang-format on */

/* An operation's row. put and get as message_put_NAME() and message_get_NAME(), of the member of the union. */
struct operation_info {
        unsigned class; /* mask of enum operation_class */
        enum operation_answer answer;
        void (*put)(struct wire *wire, const union operation_message *operation);
        int (*get)(struct wire *wire, union operation_message *ret);
};

/* NULL: the type is not an operation's. */
const struct operation_info *operation_info(enum message_type type);

/* Takes the type off a received message. MESSAGE_TYPE_NONE_ where it is not one of ours. */
enum message_type message_type(struct wire *wire);

/* The type's name, for logs; "?" where it has none. */
const char *message_name(enum message_type type);

/* "starting", "ready", "recovering", "failed", "disabled": as clients and logs have it. */
const char *token_state_name(enum token_state state);
