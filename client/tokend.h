/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libtokend: keys that tokend holds, used from a program of one's own. See libtokend(3).
 *
 *     struct tokend *t = tokend_open(NULL, 0);
 *     tokend_sign(t, "hsm:ca_signing", "rsa_pkcs1_sha256", TOKEND_DIGEST, digest, 32, 5000, &signature, &n,
 * &failure);
 *
 * Threads: every call may be made on one handle from any number of threads at once; each call in progress has
 * a connection of its own. Only tokend_close() must be the last. What a call gave back belongs to the caller,
 * and is used by one thread at a time.
 *
 * fork(2): a handle can be used in the child as in the parent. The child's first act is to close its copies
 * of the parent's connections; it makes its own.
 *
 * Deadlines: timeout_ms bounds a whole call: connecting, waiting, and all repeats. 1 to 600000 milliseconds;
 * 0 stands for the daemon's own deadline (30000; for tokend_generate() GenerateTimeout= and 30000, at most 600000) and
 * 2000 for its word to arrive. Any other is TOKEND_INVALID_ARGUMENT.
 *
 * Repeats: where the daemon is not there, or goes away while it is asked, every call waits and tries again
 * until its deadline (see TOKEND_NO_WAIT), with pauses of 10 ms that grow to 250 ms. Where the daemon says
 * Overloaded, a call waits as long as it was told and tries again, if the deadline leaves that time. A
 * request that changes a token and may have reached the daemon is never sent again: TOKEND_OUTCOME_UNKNOWN.
 *
 * Every call that can fail returns TOKEND_OK (0) or the reason, and writes the same to *ret_failure unless
 * that is NULL. Outputs (ret_...) are set only with TOKEND_OK. Signals do not interrupt a call, and none is
 * raised.
 */
#ifndef TOKEND_H
#define TOKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

struct tokend;

/* Numbers are never given another meaning. */
enum tokend_error {
        TOKEND_OK = 0,

        /* Said by the daemon: io.tokend.Keys, io.tokend.Status */
        TOKEND_KEY_NOT_FOUND = 1,       /* no such key that the caller may see */
        TOKEND_AMBIGUOUS_NAME,          /* several keys of this nickname: name one by its id */
        TOKEND_TOKEN_NOT_FOUND,         /* no such token */
        TOKEND_NICKNAME_EXISTS,         /* on a key or a certificate of the token */
        TOKEND_ALGORITHM_NOT_SUPPORTED, /* by this key or its token */
        TOKEND_PERMISSION_DENIED,       /* the key is seen, this may not be done */
        TOKEND_TOKEN_UNAVAILABLE,       /* starting, recovering, failed */
        TOKEND_TOKEN_ERROR,             /* the device's own; the text has its CKR_ name */
        TOKEND_OVERLOADED,        /* too much waits for the token, and the deadline is too near to wait */
        TOKEND_DEADLINE_EXCEEDED, /* the daemon's word that the time has passed; see failure.executed */
        TOKEND_OUTCOME_UNKNOWN,   /* it was done or not: look before trying again. Also said by the library */
        TOKEND_WORKER_LOST,       /* the request ended the process that serves the token */
        TOKEND_CERTIFICATE_NOT_FOUND, /* no such certificate that the caller may see */
        TOKEND_NOT_A_CERTIFICATE,     /* what was to be imported; the text says why */
        TOKEND_CLAIM_NOT_FOUND,       /* no such claim of another host on the token */
        TOKEND_AUDIT_UNAVAILABLE,     /* it could not be recorded, and must be: it was not done */

        /* Said by the daemon: org.varlink.service */
        TOKEND_INTERFACE_NOT_FOUND = 40, /* an older daemon, or the other socket */
        TOKEND_METHOD_NOT_FOUND,
        TOKEND_METHOD_NOT_IMPLEMENTED,
        TOKEND_INVALID_PARAMETER, /* the text names it */
        TOKEND_EXPECTED_MORE,

        /* Said by the daemon, and not known to this library: see failure.name */
        TOKEND_OTHER_ERROR = 60,

        /* Said by the library */
        TOKEND_CANNOT_CONNECT = 80, /* no daemon answered there within the deadline */
        TOKEND_TIMED_OUT,           /* it was asked, and did not answer within the deadline */
        TOKEND_PROTOCOL_VIOLATION,  /* what it answered makes no sense */
        TOKEND_NO_MEMORY,
        TOKEND_INVALID_ARGUMENT, /* nothing was sent */
};

/* What went wrong, for programs and for people. Holds no memory of its own. */
struct tokend_failure {
        enum tokend_error error;
        /* TOKEND_DEADLINE_EXCEEDED: whether the request had reached the device by then. */
        bool executed;
        /* As on the wire, "io.tokend.Keys.KeyNotFound"; for what the library says, "CannotConnect" and the
         * like. */
        char name[128];
        /* A sentence, with the parameters of the error; UTF-8 without control characters, cut where too long.
         */
        char text[512];
};

/* "KeyNotFound", "CannotConnect": the part behind the last dot. Static; "Unknown" for a number that is none.
 */
const char *tokend_error_name(enum tokend_error error);

/* ---- handles ---- */

/* Where no daemon listens, say TOKEND_CANNOT_CONNECT at once instead of waiting for one: for interactive use.
 */
#define TOKEND_NO_WAIT 1U

/*
 * A handle for the daemon's main socket, or its status socket. path: NULL for $TOKEND_SOCKET (not in
 * set-user-ID programs), else /run/tokend/tokend.sock; for tokend_open_status() $TOKEND_STATUS_SOCKET, else
 * /run/tokend/status.sock. flags: 0 or TOKEND_NO_WAIT. Connects to nothing yet. NULL: no memory, or the path
 * is too long for a UNIX socket (errno: ENOMEM, ENAMETOOLONG, EINVAL).
 */
struct tokend *tokend_open(const char *path, unsigned flags);
struct tokend *tokend_open_status(const char *path, unsigned flags);

/* Closes its connections and frees it; NULL is fine. No call may be in progress. */
void tokend_close(struct tokend *handle);

/* ---- keys: on a handle of tokend_open() ---- */

enum tokend_usage {
        TOKEND_USAGE_SIGN = 1,
        TOKEND_USAGE_DECRYPT = 2,
        TOKEND_USAGE_UNWRAP = 4,
        TOKEND_USAGE_DERIVE = 8,
};

/* A key. Strings are UTF-8 and live as long as the key. Fields may be added at the end. */
struct tokend_key {
        const char *token;
        const char *nickname;            /* empty: reached by its id alone */
        const char *id;                  /* CKA_ID, lower-case hex */
        const char *type;                /* "rsa", "ec", "ed25519" */
        int64_t size;                    /* bits, of the modulus or the curve */
        const char *curve;               /* "secp256r1" ...; NULL for rsa */
        const unsigned char *public_key; /* SubjectPublicKeyInfo, DER */
        size_t public_key_length;        /* bytes; 0: the public half is nowhere on the token */
        unsigned usage;                  /* of enum tokend_usage, or-ed */
        bool sensitive, extractable, never_extractable;
        bool local; /* generated on this token */
        bool has_certificate;
        const char *accelerated_by; /* the token that holds a copy now, or NULL */
        const char *json; /* the whole as the daemon sent it: one JSON object of io.tokend.Keys.Key */
};

/* Frees one key of tokend_get() or tokend_generate(); NULL is fine. */
void tokend_key_free(struct tokend_key *key);

struct tokend_keys {
        size_t n_keys;
        struct tokend_key **keys; /* freed with the list, not one by one */
};
void tokend_keys_free(struct tokend_keys *keys);

/* The keys that the caller may see. token, nickname: only of this token, only of this nickname; or NULL.
 * The caller frees with tokend_keys_free(). */
enum tokend_error tokend_list(struct tokend *handle, const char *token, const char *nickname, int timeout_ms,
        struct tokend_keys **ret, struct tokend_failure *ret_failure);

/* One key. name: "token:nickname", "nickname" or an RFC 7512 URI. The caller frees with tokend_key_free(). */
enum tokend_error tokend_get(struct tokend *handle, const char *name, int timeout_ms, struct tokend_key **ret,
        struct tokend_failure *ret_failure);

/* A key to be. Start from zeroes: fields may be added. */
struct tokend_template {
        const char *token;    /* NULL: the caller's own */
        const char *nickname; /* 1 to 128 bytes of UTF-8, no colon, no control character */
        const char *type;     /* "rsa", "ec", "ed25519" */
        int size;             /* rsa: bits, 2048 to 8192; 0: 3072 */
        const char *curve;    /* ec: "secp256r1", "secp384r1", "secp521r1"; NULL: the first */
        unsigned usage;       /* of enum tokend_usage; 0: TOKEND_USAGE_SIGN */
        bool loadable;        /* may be copied, wrapped, into the accelerator of its token */
};

/*
 * Makes a key on the token. The request is never sent twice. Before it is sent, the nickname is looked up (for
 * 1 s and a quarter of timeout_ms at most); when the daemon goes away while it works on it, it is looked up
 * again, for 15 s at most and until the deadline: a key that was not there before, is there now, and is as it
 * was wanted, is ours: TOKEND_OK. In every other case (the caller may not list; it was there before, or that
 * could not be told in time; it does not appear: it may do so yet): TOKEND_OUTCOME_UNKNOWN. Two callers who generate one nickname in the same moment cannot be told
 * apart then; where nothing is lost, the second gets TOKEND_NICKNAME_EXISTS. The caller frees with
 * tokend_key_free().
 */
enum tokend_error tokend_generate(struct tokend *handle, const struct tokend_template *wanted, int timeout_ms,
        struct tokend_key **ret, struct tokend_failure *ret_failure);

enum tokend_input {
        TOKEND_DIGEST,  /* of the hash in the algorithm's name: 32, 48 or 64 bytes */
        TOKEND_MESSAGE, /* whole; ed25519 takes nothing else. About 96 KiB at most: a request has 128 KiB */
};

/* Signs. algorithm: rsa_pkcs1_sha256, _sha384, _sha512, rsa_pss_sha256, ..., ecdsa_sha256, ..., ed25519.
 * ecdsa gives a DER ECDSA-Sig-Value. Repeated when interrupted. The caller frees *ret with tokend_free(). */
enum tokend_error tokend_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure);

/* Verifies with a key of the daemon's. *ret_valid: whether the signature is good. */
enum tokend_error tokend_verify(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, const void *signature,
        size_t signature_length, int timeout_ms, bool *ret_valid, struct tokend_failure *ret_failure);

/* Likewise with a public key of the caller's: SubjectPublicKeyInfo, DER. */
enum tokend_error tokend_verify_with(struct tokend *handle, const void *public_key, size_t public_key_length,
        const char *algorithm, enum tokend_input kind, const void *input, size_t length,
        const void *signature, size_t signature_length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure);

/* length random bytes of a device, into the caller's buffer. Any length: more than 4096 are asked for in
 * turns. With a failure the buffer's content is undefined. */
enum tokend_error tokend_random(struct tokend *handle, void *buffer, size_t length, int timeout_ms,
        struct tokend_failure *ret_failure);

/* Deletes both halves of a pair; a certificate stays. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN
 * where the answer was lost. */
enum tokend_error tokend_delete(
        struct tokend *handle, const char *key, int timeout_ms, struct tokend_failure *ret_failure);

/* ---- certificates: on a handle of tokend_open() ---- */

/* A certificate. Strings are UTF-8 and live as long as the certificate. Fields may be added at the end. */
struct tokend_certificate {
        const char *token;
        const char *nickname;         /* empty: reached by its id alone */
        const char *id;               /* CKA_ID, lower-case hex: the same as its key's */
        const char *subject, *issuer; /* RFC 4514 */
        const char *serial_number;    /* lower-case hex */
        int64_t not_before_usec;      /* since 1970, 0 for what lies before */
        int64_t not_after_usec;
        bool has_private_key;     /* on the token */
        const unsigned char *der; /* the whole of it */
        size_t der_length;        /* bytes */
        const char *json; /* as the daemon sent it: one JSON object of io.tokend.Certificates.Certificate */
};

/* Frees one certificate; NULL is fine. */
void tokend_certificate_free(struct tokend_certificate *certificate);

struct tokend_certificates {
        size_t n_certificates;
        struct tokend_certificate **certificates; /* freed with the list, not one by one */
};
void tokend_certificates_free(struct tokend_certificates *certificates);

/* The certificates that the caller may see. token, nickname: only of this token, only of this nickname; or NULL.
 * The caller frees with tokend_certificates_free(). */
enum tokend_error tokend_list_certificates(struct tokend *handle, const char *token, const char *nickname,
        int timeout_ms, struct tokend_certificates **ret, struct tokend_failure *ret_failure);

/* One certificate. name: as of a key, among certificates alone. The caller frees with tokend_certificate_free(). */
enum tokend_error tokend_get_certificate(struct tokend *handle, const char *name, int timeout_ms,
        struct tokend_certificate **ret, struct tokend_failure *ret_failure);

/* Whom a request or a certificate is about. Start from zeroes: fields may be added. */
struct tokend_subject {
        const char *key;              /* that signs, and that it is of */
        const char *subject;          /* RFC 4514: "CN=CA Signing Certificate,O=EXAMPLE" */
        const char *algorithm;        /* as of tokend_sign(), RSA or ECDSA; NULL: what fits the key */
        const char *const *dns_names; /* for a subjectAltName: 1 to 64, or none */
        size_t n_dns_names;
};

/* A PKCS #10 request, DER. Repeated when interrupted. The caller frees *ret with tokend_free(). */
enum tokend_error tokend_request_certificate(struct tokend *handle, const struct tokend_subject *subject,
        int timeout_ms, unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);

/* A self-signed certificate, put on the token under the key's nickname. validity_days: 1 to 36500. ca: that of a CA.
 * The request is never sent twice: TOKEND_OUTCOME_UNKNOWN where the answer was lost. The caller frees with
 * tokend_certificate_free(). */
enum tokend_error tokend_self_sign(struct tokend *handle, const struct tokend_subject *subject,
        int validity_days, bool ca, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure);

/* Puts a certificate (DER) on the token (NULL: the caller's own): that of a key which the caller may import for, under the
 * key's nickname, or one of no key on the token, under a nickname that nothing bears. Never sent twice, as above. The
 * caller frees with tokend_certificate_free(). */
enum tokend_error tokend_import_certificate(struct tokend *handle, const char *token, const char *nickname,
        const void *der, size_t length, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure);

/* Deletes a certificate; its key stays. Never sent twice, as above. */
enum tokend_error tokend_delete_certificate(
        struct tokend *handle, const char *name, int timeout_ms, struct tokend_failure *ret_failure);

/* What lies on a token, for whoever is to put a new instance's objects there. */
struct tokend_check {
        bool empty; /* no key, no certificate, no claim of another host */
        size_t n_found, n_collisions, n_missing_mechanisms;
        const char **found;              /* nicknames of all that lies there, in order */
        const char **collisions;         /* of those asked for, what is among them */
        const char **missing_mechanisms; /* of those asked for, what the token does not have */
        const char *json;                /* the whole as the daemon sent it */
};
void tokend_check_free(struct tokend_check *check);

/* token: NULL for the caller's own. nicknames: that the instance would use. mechanisms: that it needs, by their names in
 * PKCS #11 ("CKM_RSA_PKCS"). At most 256 of each. The caller frees with tokend_check_free(). */
enum tokend_error tokend_check(struct tokend *handle, const char *token, const char *const *nicknames,
        size_t n_nicknames, const char *const *mechanisms, size_t n_mechanisms, int timeout_ms,
        struct tokend_check **ret, struct tokend_failure *ret_failure);

/* Frees what tokend_sign(), tokend_request_certificate() and tokend_metrics() gave; NULL is fine. */
void tokend_free(void *memory);

/* ---- status: on a handle of tokend_open_status() ---- */

/* Microseconds; count: requests measured. */
struct tokend_latency {
        int64_t count, p50, p99, p999;
};

/* Meanings: io.tokend.Status.varlink. Strings may be NULL where the daemon does not know (yet). */
struct tokend_token_status {
        const char *name, *role, *state, *reason;
        int64_t since_usec; /* since 1970 */
        const char *module, *label, *manufacturer, *model, *serial;
        int64_t sessions_open, sessions_busy, sessions_limit;
        int64_t queued, in_flight, requests, errors, restarts, logins, keys;
        const char *last_error_ckr; /* NULL: none so far */
        int64_t last_error_usec;
        struct tokend_latency device, request;
        int64_t certificates;
        bool holds_claims; /* the token takes claims on nicknames, as far as is known */
        size_t n_claims;
        struct tokend_claim *claims; /* of other hosts */
        /* Of an accelerator (role): what it did for other tokens; of those: what one did for them. accelerated, fallbacks:
         * requests that it did, that it might have done; key_loads, key_copies: keys copied there, copies there now. */
        int64_t accelerated, fallbacks, key_loads, key_copies;
};

/* Another host's claim on a nickname of a token. */
struct tokend_claim {
        const char *nickname;
        const char *claimant; /* who made it, hex */
        const char *host;     /* the name that its host says it has */
        int64_t since_usec;   /* since 1970, by that host's clock */
};

struct tokend_instance_status {
        const char *name;
        int64_t connections, requests, denied, queued, errors;
};

/* Whether uses of keys are recorded. */
struct tokend_audit_status {
        const char *mode;   /* none, journal, file; NULL from a daemon that does not say */
        bool required, ok;  /* required: what cannot be recorded is not done */
        const char *reason; /* why not ok */
        int64_t since_usec; /* of ok */
        int64_t seq, signed_seq, signed_usec, lost;
};

struct tokend_status {
        const char *version;
        int64_t started_usec;
        size_t n_tokens, n_instances;
        struct tokend_token_status *tokens;
        struct tokend_instance_status *instances;
        struct tokend_audit_status audit;
        const char *json; /* the whole as the daemon sent it */
};
void tokend_status_free(struct tokend_status *status);

/* The caller frees with tokend_status_free(). */
enum tokend_error tokend_status(struct tokend *handle, int timeout_ms, struct tokend_status **ret,
        struct tokend_failure *ret_failure);

/* Calls back with the status at once and then every interval_ms, until the callback returns false (TOKEND_OK)
 * or the connection is lost (TOKEND_CANNOT_CONNECT). timeout_ms: the longest wait for each, beyond
 * interval_ms. The status is freed when the callback returns. */
typedef bool (*tokend_status_callback)(const struct tokend_status *status, void *userdata);
enum tokend_error tokend_watch(struct tokend *handle, int interval_ms, int timeout_ms,
        tokend_status_callback callback, void *userdata, struct tokend_failure *ret_failure);

/* OpenMetrics text, NUL-terminated. The caller frees with tokend_free(). */
enum tokend_error tokend_metrics(
        struct tokend *handle, int timeout_ms, char **ret, struct tokend_failure *ret_failure);

struct tokend_probe {
        bool ok;              /* the device answered without an error */
        char ckr[64];         /* the error's name in PKCS #11, or empty */
        int64_t latency_usec; /* of the one call */
};

/* Asks the device itself. */
enum tokend_error tokend_probe(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_probe *ret, struct tokend_failure *ret_failure);

/* Removes another host's claim, which a crash left there. Only where that host's daemon is stopped, or has started its
 * worker for this token anew since the claim was made: else two hosts may make an object of the same nickname. For root
 * and the daemon's own user. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN where the answer was lost. */
enum tokend_error tokend_remove_claim(struct tokend *handle, const char *token, const char *nickname,
        const char *claimant, int timeout_ms, struct tokend_failure *ret_failure);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
