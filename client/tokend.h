/* SPDX-License-Identifier: MPL-2.0 */
/*
 * libtokend: use the keys that tokend holds from a program of your own. See libtokend(3).
 *
 *     struct tokend *t = tokend_open(NULL, 0);
 *     error = tokend_sign(t, "hsm:ca_signing", "rsa_pkcs1_sha256", TOKEND_DIGEST, digest, 32, 5000,
 *                         &signature, &length, &failure);
 *
 * Threads: any number of threads may make calls on one handle at the same time. Each call in progress has a connection of
 * its own. Only tokend_close() must come after all other calls. What a call returned belongs to the caller; use it in one
 * thread at a time.
 *
 * fork(2): the child can use a handle as the parent does. The library closes the child's copies of the parent's connections
 * in the fork, and the child makes connections of its own. A program may close all descriptors (closefrom(3)): the library
 * connects again, and neither uses nor closes what has the number then. After setuid(2) connections of the new user are made.
 *
 * Deadlines: timeout_ms bounds the whole call: connecting, waiting and all repeats. It is 1 to 600000 milliseconds, or 0 for
 * the daemon's default and 2000 more, in which its reply arrives. The daemon's default is 30000; for tokend_generate() it is
 * GenerateTimeout= and 30000, at most 600000. Every other value gives TOKEND_INVALID_ARGUMENT.
 *
 * Repeats: if the daemon is not there, or goes away during a call, the call waits and tries again until its deadline, with
 * pauses of 10 ms that grow to 250 ms; TOKEND_NO_WAIT changes that. If the daemon says Overloaded, the call waits as long as
 * the daemon says and tries again, unless the deadline comes first. A request that changes a token and may have reached the
 * daemon is never sent again: TOKEND_OUTCOME_UNKNOWN.
 *
 * Errors: every call that can fail returns TOKEND_OK (0) or an error, and writes the same to *ret_failure, which may be
 * NULL. It sets its outputs (ret_...) only with TOKEND_OK. Signals do not interrupt a call, and a call raises no signal.
 *
 * Structures grow, and a program that was built before goes on working. Those that the library gives are always behind a pointer,
 * and new fields come at their end: never copy one, and never make one. Those that a program gives begin with struct_size, which
 * the program sets to the sizeof of the struct, with every field that it does not use set to 0:
 *
 *     struct tokend_template wanted = {.struct_size = sizeof(wanted), .nickname = "ca_signing", .type = "rsa"};
 *
 * What an older program does not have counts as 0. A newer program on an older library may leave the new fields 0; if one is set,
 * the call gives TOKEND_INVALID_ARGUMENT, as it does with a struct_size of 0. struct tokend_failure alone has a size that stays.
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

/* A number never gets another meaning. */
enum tokend_error {
        TOKEND_OK = 0,

        /* From the daemon: io.tokend.Keys, io.tokend.Certificates, io.tokend.Status */
        TOKEND_KEY_NOT_FOUND = 1,       /* the caller may see no key of this name */
        TOKEND_AMBIGUOUS_NAME,          /* several keys have this nickname: name one by its id, in a URI */
        TOKEND_TOKEN_NOT_FOUND,         /* no token has this name */
        TOKEND_NICKNAME_EXISTS,         /* a key or a certificate on the token has this nickname */
        TOKEND_ALGORITHM_NOT_SUPPORTED, /* by this key, or by its token */
        TOKEND_PERMISSION_DENIED,       /* the caller may not do this */
        TOKEND_TOKEN_UNAVAILABLE,       /* the token is starting, is recovering, has failed, or is disabled */
        TOKEND_TOKEN_ERROR,             /* the device reported an error; the text has its CKR_ name */
        TOKEND_OVERLOADED,            /* too many requests wait for the token, and the deadline is too near */
        TOKEND_DEADLINE_EXCEEDED,     /* the daemon says that the time has passed; see failure.executed */
        TOKEND_OUTCOME_UNKNOWN,       /* check the token before you try again; also from the library */
        TOKEND_WORKER_LOST,           /* the request ended the process that serves the token */
        TOKEND_CERTIFICATE_NOT_FOUND, /* the caller may see no certificate of this name */
        TOKEND_NOT_A_CERTIFICATE,     /* what was to be imported; the text says why */
        TOKEND_CLAIM_NOT_FOUND,       /* the token has no such claim of another host */
        TOKEND_AUDIT_UNAVAILABLE, /* nothing was done: it must be recorded, and that is not possible now */
        TOKEND_SECRET_NOT_FOUND,  /* the caller may see no secret of this name */
        TOKEND_NOT_OUR_SEAL,      /* sealed for another instance or token, or changed */

        /* From the daemon: org.varlink.service */
        TOKEND_INTERFACE_NOT_FOUND = 40, /* the daemon is older, or this is the other socket */
        TOKEND_METHOD_NOT_FOUND,
        TOKEND_METHOD_NOT_IMPLEMENTED,
        TOKEND_INVALID_PARAMETER, /* the text names the parameter */
        TOKEND_EXPECTED_MORE,

        /* From the daemon, but unknown to this library: see failure.name */
        TOKEND_OTHER_ERROR = 60,

        /* From the library */
        TOKEND_CANNOT_CONNECT = 80, /* no daemon answered within the deadline */
        TOKEND_TIMED_OUT,           /* the daemon was asked, and did not answer within the deadline */
        TOKEND_PROTOCOL_VIOLATION,  /* the daemon's reply does not match the interface */
        TOKEND_NO_MEMORY,
        TOKEND_INVALID_ARGUMENT, /* nothing was sent */

        /* Of a call that an event loop goes on with. No error, and not the result: see tokend_later(). */
        TOKEND_STARTED = 100,
};

/* What went wrong, for programs and for people. There is nothing in it to free. The caller's memory, which needs no first value. */
struct tokend_failure {
        enum tokend_error error;
        /* With TOKEND_DEADLINE_EXCEEDED: whether the request had reached the device by then. */
        bool executed;
        /* The name: as on the wire, "io.tokend.Keys.KeyNotFound"; from the library, "CannotConnect" and the like. */
        char name[128];
        /* A sentence with the parameters of the error, in UTF-8 and fit for a terminal. It is cut if it is too long. */
        char text[512];
        /* The next step, for people: one or two sentences. Static; empty where none is known. */
        const char *next;
        /* With TOKEND_INVALID_PARAMETER: the parameter of the method; else empty. */
        char parameter[32];
        /* The parameters of the daemon's error, as a JSON object; empty where there are none, or they are too long. */
        char parameters[1024];
        /* New fields take their place here: the size never changes. */
        char reserved[336];
};

/* Gives the name of an error without its interface: "KeyNotFound", "CannotConnect". Static; "Unknown" for a number that is not listed above. */
const char *tokend_error_name(enum tokend_error error);

/* ---- handles ---- */

/* If no daemon listens, return TOKEND_CANNOT_CONNECT at once and do not wait for one: for interactive use. */
#define TOKEND_NO_WAIT 1U

/*
 * Makes a handle for the daemon's main socket, or for its status socket. It does not connect yet. path: of the socket; NULL
 * stands for $TOKEND_SOCKET (not in set-user-ID programs), else /run/tokend/tokend.sock; in tokend_open_status() for
 * $TOKEND_STATUS_SOCKET, else /run/tokend/status.sock. flags: 0 or TOKEND_NO_WAIT. Close it with tokend_close(). NULL with
 * errno: ENOMEM; ENAMETOOLONG: the path is too long for a UNIX socket; EINVAL: unknown flags.
 */
struct tokend *tokend_open(const char *path, unsigned flags);
struct tokend *tokend_open_status(const char *path, unsigned flags);

/* Closes the connections of a handle and frees it. NULL is allowed. No call may be waited for; those that were started are cancelled. */
void tokend_close(struct tokend *handle);

/*
 * ---- event loops ----
 *
 * A program with an event loop starts its calls, and the loop goes on with them. Every call of this library can be started, with the
 * same waits, repeats and deadlines as if it were waited for:
 *
 *     loop_watch(tokend_get_fd(t), POLLIN, goes_on, t);                 once; goes_on() calls tokend_process(t)
 *
 *     call = tokend_later(t, signed_callback, job);
 *     error = tokend_sign(call, "hsm:ca_signing", ..., 5000, &job->signature, &job->length, &job->failure);
 *
 * The result of a call that was started is TOKEND_STARTED. What it was given may be freed then; its outputs, ret_failure among them, must
 * stay until its callback. They are set just before that, and the callback gets the error. The callback is called once, by
 * tokend_process() and never by the call itself. Any other result is an error at once: nothing was started, no callback comes.
 *
 * Threads: one thread at a time may use the functions of this part, and start calls, on a handle. Other threads may wait for calls on
 * the same handle meanwhile. A callback may start, wait for and cancel calls, and fork, but not close the handle. fork(2): the calls that
 * the parent started are the parent's; in the child they are gone, no callback comes, and tokend_get_fd() gives another descriptor.
 */
typedef void (*tokend_done)(enum tokend_error error, void *userdata);

/* Gives the handle for one call, the next one of this thread, that is started and not waited for. There is nothing to free: the library does so
 * after the callback; one that was not used serves for the next tokend_later(). NULL with errno: ENOMEM; EINVAL: no callback, or this is
 * the handle of one call itself. It need not be looked at: a call on NULL gives TOKEND_NO_MEMORY. */
struct tokend *tokend_later(struct tokend *handle, tokend_done callback, void *userdata);

/* Gives a call up that was started, before its callback: no callback comes, and its outputs stay untouched. The daemon may still do what it
 * was asked. NULL is allowed. */
void tokend_cancel(struct tokend *call);

/* Gives what the loop waits for: this descriptor becomes readable when a call can go on, or when it is time for it to, so the loop needs no timer
 * of its own. It stays the same until tokend_close(), a fork, or a program that closes all descriptors. -errno: there is none. */
int tokend_get_fd(struct tokend *handle);
/* Gives the events of poll(2) for that descriptor: POLLIN. */
int tokend_get_events(struct tokend *handle);

/* Goes on with whatever can go on, and calls back for what has ended. It does not block. Returns how many calls have ended; -errno: the
 * descriptor is not ours any more. */
int tokend_process(struct tokend *handle);

/* ---- keys: on a handle of tokend_open() ---- */

enum tokend_usage {
        TOKEND_USAGE_SIGN = 1,
        TOKEND_USAGE_DECRYPT = 2,
        TOKEND_USAGE_UNWRAP = 4,
        TOKEND_USAGE_DERIVE = 8,
        TOKEND_USAGE_ENCRYPT = 16, /* of secrets alone */
        TOKEND_USAGE_WRAP = 32,    /* likewise */
};

/* A key. Strings are UTF-8 and live as long as the key. */
struct tokend_key {
        const char *token;
        const char *nickname;            /* empty: the key can be named by its id alone */
        const char *id;                  /* CKA_ID in lower-case hexadecimal */
        const char *type;                /* "rsa", "ec", "ed25519" */
        int64_t size;                    /* in bits, of the modulus or the curve */
        const char *curve;               /* "secp256r1" ...; NULL for rsa */
        const unsigned char *public_key; /* SubjectPublicKeyInfo, DER */
        size_t public_key_length;        /* bytes; 0: the public key is not on the token */
        unsigned usage;                  /* mask of enum tokend_usage */
        bool sensitive, extractable, never_extractable;
        bool local; /* the key was generated on this token */
        bool has_certificate;
        const char *accelerated_by; /* the token that holds a copy now; NULL: there is none */
        const char *json;           /* the whole, as the daemon sent it: an io.tokend.Keys.Key */
};

/* Frees a key of tokend_get() or tokend_generate(). NULL is allowed. */
void tokend_key_free(struct tokend_key *key);

/* A token whose objects a list does not have, because none were read from it yet. */
struct tokend_unavailable {
        const char *token;
        const char *state; /* "starting", "recovering", "failed", "disabled" */
        const char *reason;
};

/* What a list says beside its objects. Strings live as long as the list. */
struct tokend_list_end {
        const char *state; /* to be given as since; NULL: the daemon is older */
        bool unchanged;    /* nothing changed since: the list is empty, and the one before is right */
        size_t n_unavailable;
        struct tokend_unavailable **unavailable;
};

struct tokend_keys {
        size_t n_keys;
        struct tokend_key **keys; /* they are freed with the list, not one by one */
        const struct tokend_list_end *end;
};
/* Frees the list and its keys. NULL is allowed. */
void tokend_keys_free(struct tokend_keys *keys);

/* Lists the keys that the caller may see: all (NULL), or those on this token, or with this nickname. Free *ret with
 * tokend_keys_free(). */
enum tokend_error tokend_list(struct tokend *handle, const char *token, const char *nickname, int timeout_ms,
        struct tokend_keys **ret, struct tokend_failure *ret_failure);

/* Likewise; since: the state of an earlier list of the same token and nickname, or NULL. */
enum tokend_error tokend_list_since(struct tokend *handle, const char *token, const char *nickname,
        const char *since, int timeout_ms, struct tokend_keys **ret, struct tokend_failure *ret_failure);

/* A token that the caller may use. Strings and arrays live as long as the list. */
struct tokend_token {
        const char *name;
        const char *state;  /* "starting", "ready", "recovering", "failed", "disabled" */
        const char *reason; /* NULL: it is ready */
        const char *label, *manufacturer, *model, *serial; /* as the device says; empty: it has not yet */
        size_t n_rights, n_mechanisms;
        const char **rights; /* the words of Allow= that the caller has there */
        const char **
                mechanisms; /* of the device, by their names in PKCS #11 ("CKM_RSA_PKCS"), or 0x and hexadecimal */
        const char *json; /* as the daemon sent it: an io.tokend.Keys.Token */
        size_t n_wraps, n_unwraps;
        const char **wraps,
                **unwraps; /* those of the mechanisms that do so with keys; NULL: the daemon is older */
};

struct tokend_tokens {
        size_t n_tokens;
        struct tokend_token **tokens; /* they are freed with the list, not one by one */
};
/* Frees the list and its tokens. NULL is allowed. */
void tokend_tokens_free(struct tokend_tokens *tokens);

/* Lists the tokens that the caller may use, its own first. No token is waited for. Free *ret with tokend_tokens_free(). */
enum tokend_error tokend_tokens(struct tokend *handle, int timeout_ms, struct tokend_tokens **ret,
        struct tokend_failure *ret_failure);

/* Finds one key. name: "token:nickname", "nickname" or an RFC 7512 URI. Free *ret with tokend_key_free(). */
enum tokend_error tokend_get(struct tokend *handle, const char *name, int timeout_ms, struct tokend_key **ret,
        struct tokend_failure *ret_failure);

/* A key that is to be made. */
struct tokend_template {
        size_t struct_size; /* sizeof(struct tokend_template) */
        const char *token;  /* NULL: the token that is configured for the caller */
        const char *
                nickname; /* 1 to 128 bytes of UTF-8, without a colon or a control character; NULL: it has none yet */
        const char *type;  /* "rsa", "ec", "ed25519" */
        int size;          /* of rsa, in bits: 2048 to 8192; 0: 3072 */
        const char *curve; /* of ec: "secp256r1", "secp384r1", "secp521r1"; NULL: secp256r1 */
        unsigned usage;    /* mask of enum tokend_usage; 0: TOKEND_USAGE_SIGN */
        bool loadable;     /* the key may be copied, wrapped, into the accelerator of its token */
        const char *id;    /* CKA_ID in hexadecimal, 1 to 64 bytes; NULL: the one that NSS gives */
};

/*
 * Makes a key on the token. The request is never sent twice. Before it is sent, the nickname is looked up, for at most 1 s
 * and a quarter of timeout_ms. If the daemon goes away while it works on the request, the nickname is looked up again, for
 * at most 15 s and until the deadline. If the key was not there before, is there now, and is as the template asks, it is
 * ours: TOKEND_OK. In every other case the result is TOKEND_OUTCOME_UNKNOWN: the caller may not list keys; the key was there
 * before, or that could not be told in time; the key does not appear, though it may do so later. Then two callers who
 * generate the same nickname at the same moment cannot be told apart; if no reply is lost, the second one gets
 * TOKEND_NICKNAME_EXISTS. A key that is to have no nickname yet is called "unnamed INSTANCE ID"; it is not looked up, and if the
 * reply was lost the result is TOKEND_OUTCOME_UNKNOWN. Free *ret with tokend_key_free().
 */
enum tokend_error tokend_generate(struct tokend *handle, const struct tokend_template *wanted, int timeout_ms,
        struct tokend_key **ret, struct tokend_failure *ret_failure);

/* Gives a key another nickname, on both halves. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN if the reply was lost. Free
 * *ret with tokend_key_free(). */
enum tokend_error tokend_rename(struct tokend *handle, const char *key, const char *nickname, int timeout_ms,
        struct tokend_key **ret, struct tokend_failure *ret_failure);

enum tokend_input {
        TOKEND_DIGEST, /* made with the hash in the algorithm's name: 20, 32, 48 or 64 bytes; see tokend_sign() for the rest */
        TOKEND_MESSAGE, /* the whole message, at most about 96 KiB; ed25519 takes only this */
};

/* Signs. key: as the name in tokend_get(). algorithm: rsa_pkcs1_, rsa_pss_ or ecdsa_ with sha256, sha384 or sha512; or ed25519. With the
 * right sign-raw also: rsa_pss_sha1; rsa_pkcs1, whose digest is whatever PKCS #1 is to pad (1 byte to 11 less than the modulus
 * has); ecdsa, whose digest has 1 to 64 bytes. input: length bytes. A signature of ecdsa is a DER ECDSA-Sig-Value. The request is repeated if the daemon goes away. Free *ret,
 * of *ret_length bytes, with tokend_free(). */
enum tokend_error tokend_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure);

/* Likewise, with a salt of that many bytes, for an algorithm of rsa_pss_. salt_length: 0 to what the key has room for; -1: as many as
 * the hash has, as in tokend_sign(). */
enum tokend_error tokend_sign_salted(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int salt_length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);

/* Decrypts with an RSA key. algorithm: rsa_pkcs1, or rsa_oaep_ with sha1, sha256, sha384 or sha512. ciphertext: length bytes, as many as
 * the modulus has. label: of OAEP; NULL and 0: none. A wrong padding is TOKEND_INVALID_PARAMETER, whatever is wrong with it; some
 * tokens give other bytes instead for rsa_pkcs1. The request is repeated if the daemon goes away. Nothing of the plaintext stays in
 * the library. Free *ret, of *ret_length bytes (0 for an empty plaintext), with tokend_secret_free(). */
enum tokend_error tokend_decrypt(struct tokend *handle, const char *key, const char *algorithm,
        const void *ciphertext, size_t length, const void *label, size_t label_length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);

/* Makes the common secret of two EC keys by ECDH. public_key: of the peer, an uncompressed point or a SubjectPublicKeyInfo in DER. *ret: the x coordinate of the
 * common point, as many bytes as the curve's field has. Otherwise as tokend_decrypt(). */
enum tokend_error tokend_derive(struct tokend *handle, const char *key, const void *public_key,
        size_t public_key_length, int timeout_ms, unsigned char **ret, size_t *ret_length,
        struct tokend_failure *ret_failure);

/* Overwrites and frees a plaintext or a derived secret of length bytes. NULL is allowed. Does not change errno. */
void tokend_secret_free(void *secret, size_t length);

/* Verifies with a key that the daemon holds. *ret_valid: whether the signature is good. */
enum tokend_error tokend_verify(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, const void *signature,
        size_t signature_length, int timeout_ms, bool *ret_valid, struct tokend_failure *ret_failure);

/* Verifies with a public key that the caller has: a SubjectPublicKeyInfo in DER. */
enum tokend_error tokend_verify_with(struct tokend *handle, const void *public_key, size_t public_key_length,
        const char *algorithm, enum tokend_input kind, const void *input, size_t length,
        const void *signature, size_t signature_length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure);

/* Puts length random bytes of a device into the buffer. length: 1 or more; the library asks for 4096 bytes at a time. After a
 * failure the content of the buffer is undefined. */
enum tokend_error tokend_random(struct tokend *handle, void *buffer, size_t length, int timeout_ms,
        struct tokend_failure *ret_failure);

/* Deletes both halves of a key pair. A certificate stays. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN if the reply
 * was lost. */
enum tokend_error tokend_delete(
        struct tokend *handle, const char *key, int timeout_ms, struct tokend_failure *ret_failure);

/* ---- secret keys: on a handle of tokend_open(); io.tokend.Secrets has the rules and the algorithms ---- */

/* A secret key that lies on a token, such as a TKS's master key. */
struct tokend_secret {
        const char *token, *nickname;
        const char *type; /* "aes", "des2", "des3", "generic" */
        int length;       /* bytes */
        unsigned usage;   /* mask of enum tokend_usage */
        bool sensitive, extractable;
        const char *json; /* the secret as the daemon gave it */
        const char *id;   /* CKA_ID in lower-case hexadecimal */
        bool never_extractable, local;
};

struct tokend_secrets {
        size_t n_secrets;
        struct tokend_secret **secrets;
        const struct tokend_list_end *end; /* without a state */
};

/* Lists the secrets that the caller may see: of one token, of one nickname, or (NULL) of all. Free *ret with tokend_secrets_free(). */
enum tokend_error tokend_secrets_list(struct tokend *handle, const char *token, const char *nickname,
        int timeout_ms, struct tokend_secrets **ret, struct tokend_failure *ret_failure);
void tokend_secrets_free(struct tokend_secrets *secrets);

/*
 * Show and free a sealed key. It lies nowhere but here. Keep tokend_sealed_text() ("sealed:" and base64, at most 11 KiB, good until the key is
 * freed) where you like, and give it wherever a call takes the name of a key. It opens for the same instance of the same daemon's
 * configuration on the same token alone. To people show tokend_sealed_fingerprint(): 32 hexadecimal digits. public_key: of a private
 * key, SubjectPublicKeyInfo in DER, where the token told it; NULL: it did not, or after tokend_sealed_new(). tokend_sealed_free()
 * wipes it, and the library has no other copy: a call wipes what it sent and got. NULL is allowed there.
 */
struct tokend_sealed;
const char *tokend_sealed_text(const struct tokend_sealed *sealed);
const char *tokend_sealed_fingerprint(const struct tokend_sealed *sealed);
const unsigned char *tokend_sealed_public_key(const struct tokend_sealed *sealed, size_t *ret_length);
void tokend_sealed_free(struct tokend_sealed *sealed);

/* Makes a sealed key of its text, which is copied. TOKEND_INVALID_ARGUMENT: the text has not the form of a sealed key; TOKEND_NO_MEMORY. Whether it
 * opens is the daemon's to say. */
enum tokend_error tokend_sealed_new(
        const char *text, struct tokend_sealed **ret, struct tokend_failure *ret_failure);

/* What a key is to be. */
struct tokend_secret_template {
        size_t struct_size; /* sizeof(struct tokend_secret_template) */
        const char
                *type; /* "aes", "des2", "des3", "generic"; "rsa", "ec": a private key that passes through */
        int length;    /* of aes and generic, in bytes */
        int size;      /* of rsa, in bits; 0: 3072, or what is unwrapped */
        const char *curve; /* of ec; NULL: secp256r1, or what is unwrapped */
        unsigned usage;    /* mask of enum tokend_usage */
        const char *id; /* of a key on the token: CKA_ID in hexadecimal, 1 to 64 bytes; NULL: a random one */
};

/* With which algorithm: as in io.tokend.Secrets. What it does not take is NULL or 0. */
struct tokend_algorithm {
        size_t struct_size; /* sizeof(struct tokend_algorithm) */
        const char *name;
        const void *iv, *label, *aad;
        size_t iv_length, label_length, aad_length;
};

/* Makes a secret on the token, under a nickname. It is never extractable. Never sent twice; TOKEND_OUTCOME_UNKNOWN: look with
 * tokend_secrets_list(). token NULL: the caller's own. */
enum tokend_error tokend_secret_generate_on_token(struct tokend *handle, const char *token,
        const char *nickname, const struct tokend_secret_template *wanted, int timeout_ms,
        struct tokend_failure *ret_failure);

/* Makes a sealed key. Free *ret with tokend_sealed_free(). */
enum tokend_error tokend_secret_generate(struct tokend *handle, const char *token,
        const struct tokend_secret_template *wanted, int timeout_ms, struct tokend_sealed **ret,
        struct tokend_failure *ret_failure);

/* Unwraps a key, which is a sealed key then. key: the name of a private key (rsa_...) or of a secret, or the text of a sealed key. wrapped:
 * at most 8 KiB. Free *ret with tokend_sealed_free(). */
enum tokend_error tokend_secret_unwrap(struct tokend *handle, const char *key,
        const struct tokend_algorithm *algorithm, const void *wrapped, size_t length,
        const struct tokend_secret_template *wanted, int timeout_ms, struct tokend_sealed **ret,
        struct tokend_failure *ret_failure);

/* Wraps a sealed key. secret: its text. Exactly one of key and public_key (SubjectPublicKeyInfo) is given, the other is NULL. Free *ret
 * with free(). */
enum tokend_error tokend_secret_wrap(struct tokend *handle, const char *key, const void *public_key,
        size_t public_key_length, const struct tokend_algorithm *algorithm, const char *secret,
        int timeout_ms, unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);

/* Derives a sealed key from a key, as the struct says: what the algorithm does not take is NULL or 0; other: the text of a sealed key. Free
 * *ret with tokend_sealed_free(). */
struct tokend_derivation {
        size_t struct_size; /* sizeof(struct tokend_derivation) */
        const char *algorithm;
        const void *data, *public_key;
        size_t data_length, public_key_length;
        int bit;
        const char *other;
};
enum tokend_error tokend_secret_derive(struct tokend *handle, const char *key,
        const struct tokend_derivation *derivation, const struct tokend_secret_template *wanted,
        int timeout_ms, struct tokend_sealed **ret, struct tokend_failure *ret_failure);

/* Encrypt and decrypt with a secret, at most 64 KiB. Free *ret with free(); what tokend_secret_decrypt() gives, with tokend_secret_free(). */
enum tokend_error tokend_secret_encrypt(struct tokend *handle, const char *key,
        const struct tokend_algorithm *algorithm, const void *plaintext, size_t length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);
enum tokend_error tokend_secret_decrypt(struct tokend *handle, const char *key,
        const struct tokend_algorithm *algorithm, const void *ciphertext, size_t length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);

/* Signs as tokend_sign() does, with the text of a sealed private key. */
enum tokend_error tokend_secret_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure);

/* Destroys a secret of a token. Never sent twice. */
enum tokend_error tokend_secret_delete(
        struct tokend *handle, const char *secret, int timeout_ms, struct tokend_failure *ret_failure);

/* ---- certificates: on a handle of tokend_open() ---- */

/* A certificate. Strings are UTF-8 and live as long as the certificate. */
struct tokend_certificate {
        const char *token;
        const char *nickname;         /* empty: the certificate can be named by its id alone */
        const char *id;               /* CKA_ID in lower-case hexadecimal; that of its key */
        const char *subject, *issuer; /* RFC 4514 */
        const char *serial_number;    /* in lower-case hexadecimal */
        int64_t not_before_usec;      /* microseconds since 1970; 0 for an earlier time */
        int64_t not_after_usec;
        bool has_private_key;     /* its private key is on the token */
        const unsigned char *der; /* the certificate itself */
        size_t der_length;        /* bytes */
        const char *json;         /* as the daemon sent it: an io.tokend.Certificates.Certificate */
};

/* Frees one certificate. NULL is allowed. */
void tokend_certificate_free(struct tokend_certificate *certificate);

struct tokend_certificates {
        size_t n_certificates;
        struct tokend_certificate **certificates; /* they are freed with the list, not one by one */
        const struct tokend_list_end *end;
};
/* Frees the list and its certificates. NULL is allowed. */
void tokend_certificates_free(struct tokend_certificates *certificates);

/* Lists the certificates that the caller may see: all (NULL), or those on this token, or with this nickname. Free *ret with
 * tokend_certificates_free(). */
enum tokend_error tokend_list_certificates(struct tokend *handle, const char *token, const char *nickname,
        int timeout_ms, struct tokend_certificates **ret, struct tokend_failure *ret_failure);

/* Likewise; since: as in tokend_list_since(). */
enum tokend_error tokend_list_certificates_since(struct tokend *handle, const char *token,
        const char *nickname, const char *since, int timeout_ms, struct tokend_certificates **ret,
        struct tokend_failure *ret_failure);

/* Finds one certificate. name: as in tokend_get(). Free *ret with tokend_certificate_free(). */
enum tokend_error tokend_get_certificate(struct tokend *handle, const char *name, int timeout_ms,
        struct tokend_certificate **ret, struct tokend_failure *ret_failure);

/* What a request or a certificate says. */
struct tokend_subject {
        size_t struct_size;    /* sizeof(struct tokend_subject) */
        const char *key;       /* the key that it is for, and that signs it */
        const char *subject;   /* RFC 4514: "CN=CA Signing Certificate,O=EXAMPLE" */
        const char *algorithm; /* of rsa or ecdsa, as in tokend_sign(); NULL: the default for the key */
        const char *const *dns_names; /* for the subjectAltName: at most 64 */
        size_t n_dns_names;
};

/* Makes a PKCS #10 request in DER. It is repeated if the daemon goes away. Free *ret with tokend_free(). */
enum tokend_error tokend_request_certificate(struct tokend *handle, const struct tokend_subject *subject,
        int timeout_ms, unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure);

/* Makes a self-signed certificate, and puts it on the token under the nickname of the key. validity_days: 1 to 36500. ca: whether
 * it is the certificate of a CA. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN if the reply was lost. Free *ret with
 * tokend_certificate_free(). */
enum tokend_error tokend_self_sign(struct tokend *handle, const struct tokend_subject *subject,
        int validity_days, bool ca, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure);

/* Puts a certificate in DER on the token; NULL stands for the token that is configured for the caller. If its key is on the token,
 * nickname must be that of the key. Otherwise it must be one that nothing on the token has. The request is never sent twice:
 * TOKEND_OUTCOME_UNKNOWN if the reply was lost. Free *ret with tokend_certificate_free(). */
enum tokend_error tokend_import_certificate(struct tokend *handle, const char *token, const char *nickname,
        const void *der, size_t length, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure);

/* A certificate that was put in the place of others. Strings live as long as it. */
struct tokend_replacement {
        struct tokend_certificate *certificate; /* it is freed with the replacement */
        const char *const *replaced; /* the serial numbers of those that went; NULL behind the last */
        size_t n_replaced;
        bool unchanged; /* it was there before, alone: nothing was done */
};
/* NULL is allowed. */
void tokend_replacement_free(struct tokend_replacement *replacement);

/* As tokend_import_certificate(), and the certificates of that nickname that are for the same public key go when it is there. At every
 * moment one of them is there. If it failed, it may be repeated. Free *ret with tokend_replacement_free(). */
enum tokend_error tokend_replace_certificate(struct tokend *handle, const char *token, const char *nickname,
        const void *der, size_t length, int timeout_ms, struct tokend_replacement **ret,
        struct tokend_failure *ret_failure);

/* Deletes a certificate. Its key stays. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN if the reply was lost.
 * tokend_delete_certificate_of() deletes the one of several certificates of that name that has this serial number, as
 * struct tokend_certificate shows it; NULL: there is only one. */
enum tokend_error tokend_delete_certificate(
        struct tokend *handle, const char *name, int timeout_ms, struct tokend_failure *ret_failure);
enum tokend_error tokend_delete_certificate_of(struct tokend *handle, const char *name,
        const char *serial_number, int timeout_ms, struct tokend_failure *ret_failure);

/* What is on a token, for somebody who is about to put the objects of a new instance there. */
struct tokend_check {
        bool empty; /* the token has no key, no certificate and no claim of another host */
        size_t n_found, n_collisions, n_missing_mechanisms;
        const char **found;              /* the nicknames of everything on the token, sorted */
        const char **collisions;         /* those of the nicknames in question that are taken */
        const char **missing_mechanisms; /* those of the mechanisms in question that the token lacks */
        const char *json;                /* the whole, as the daemon sent it */
};
/* Frees what tokend_check() gave. NULL is allowed. */
void tokend_check_free(struct tokend_check *check);

/* Checks whether a token is fit for a new instance. token: NULL stands for the one that is configured for the caller. nicknames:
 * those that the instance would use. mechanisms: those that it needs, by their names in PKCS #11 ("CKM_RSA_PKCS"). At most 256
 * of each. Free *ret with tokend_check_free(). */
enum tokend_error tokend_check(struct tokend *handle, const char *token, const char *const *nicknames,
        size_t n_nicknames, const char *const *mechanisms, size_t n_mechanisms, int timeout_ms,
        struct tokend_check **ret, struct tokend_failure *ret_failure);

/* Frees what tokend_sign(), tokend_request_certificate() and tokend_metrics() returned. NULL is allowed. */
void tokend_free(void *memory);

/* ---- status: on a handle of tokend_open_status() ---- */

/* Percentiles in microseconds. count: the number of requests that were measured. */
struct tokend_latency {
        int64_t count, p50, p99, p999;
};

/* io.tokend.Status.varlink says what each field means. A string is NULL if the daemon does not know it, or not yet. */
struct tokend_token_status {
        const char *name, *role, *state, *reason;
        int64_t since_usec; /* microseconds since 1970 */
        const char *module, *label, *manufacturer, *model, *serial;
        int64_t sessions_open, sessions_busy, sessions_limit;
        int64_t queued, in_flight, requests, errors, restarts, logins, keys;
        const char *last_error_ckr; /* NULL: there was no error yet */
        int64_t last_error_usec;
        const struct tokend_latency *device, *request;
        int64_t certificates;
        bool holds_claims; /* as far as is known, the token can hold claims on nicknames */
        size_t n_claims;
        struct tokend_claim **claims; /* those of other hosts */
        size_t n_gone;
        struct tokend_gone **gone; /* what is not there any more, and no request deleted it */
        /* For an accelerator (see role), what it did for other tokens; for another token, what an accelerator did for it.
         * accelerated: requests that it did; fallbacks: requests that it could have done, and that the key's own token did;
         * key_loads: keys that were copied there; key_copies: copies that are there now. */
        int64_t accelerated, fallbacks, key_loads, key_copies;
        const char *directory; /* of an internal token: where its databases are; else NULL */
        /* Session copies of private keys (SessionCopies=): how many there are, and of how many keys the trial has shown that they are
         * faster, or not; until when none is made (microseconds since 1970; 0: they are). NULL, 0: the daemon is older. */
        const char *session_copies;
        int64_t n_session_copies, keys_faster, keys_not_faster, copies_paused_until_usec;
        const char *cause; /* of a token that does not work, in a word */
};

/* Another host's claim on a nickname of a token. */
struct tokend_claim {
        const char *nickname;
        const char *claimant; /* the identity of the host that made it, in hexadecimal */
        const char *host;     /* the name of that host, as it says */
        int64_t since_usec;   /* microseconds since 1970, by that host's clock */
};

/* A key, a certificate or a secret that is gone from its token. */
struct tokend_gone {
        const char *kind;     /* "key", "certificate", "secret" */
        const char *nickname; /* empty: it had none */
        int64_t since_usec;   /* microseconds since 1970 */
};

struct tokend_instance_status {
        const char *name;
        int64_t connections, requests, denied, queued, errors;
};

/* Whether uses of keys are recorded. */
struct tokend_audit_status {
        const char *mode;   /* "none", "journal", "file"; NULL: the daemon is older */
        bool required, ok;  /* required: a use that cannot be recorded is not done */
        const char *reason; /* why ok is false */
        int64_t since_usec; /* microseconds since 1970: since when ok is what it is */
        int64_t seq, signed_seq, signed_usec, lost;
        const char *file; /* its path; "" or NULL: there is none, or the daemon is older */
        int64_t rotated_seq; /* the last record of the file before it; 0: none was renamed since tokend-audit started */
};

/* Whether the files of the configuration, as they were read last, are in force. */
struct tokend_configuration_status {
        bool ok;
        const char *reason; /* why ok is false; NULL: the daemon is older */
        int64_t since_usec; /* microseconds since 1970 */
};

struct tokend_status {
        const char *version;
        int64_t started_usec;
        size_t n_tokens, n_instances;
        struct tokend_token_status **tokens;
        struct tokend_instance_status **instances;
        const struct tokend_audit_status *audit;
        const struct tokend_configuration_status *configuration;
        const char *json; /* the whole, as the daemon sent it */
};
/* Frees what tokend_status() gave. NULL is allowed. */
void tokend_status_free(struct tokend_status *status);

/* Tells the status of the daemon, with its tokens, instances, audit and configuration. Free *ret with tokend_status_free(). */
enum tokend_error tokend_status(struct tokend *handle, int timeout_ms, struct tokend_status **ret,
        struct tokend_failure *ret_failure);

/* Watches the status. It calls back with the status at once, and then every interval_ms milliseconds, until the callback returns false (TOKEND_OK) or the
 * connection is lost (TOKEND_CANNOT_CONNECT). timeout_ms: the longest wait for each status, beyond interval_ms. The status is
 * freed when the callback returns. */
typedef bool (*tokend_status_callback)(const struct tokend_status *status, void *userdata);
enum tokend_error tokend_watch(struct tokend *handle, int interval_ms, int timeout_ms,
        tokend_status_callback callback, void *userdata, struct tokend_failure *ret_failure);

/* Tells the metrics. *ret: OpenMetrics text, with a NUL at its end. Free it with tokend_free(). */
enum tokend_error tokend_metrics(
        struct tokend *handle, int timeout_ms, char **ret, struct tokend_failure *ret_failure);

struct tokend_probe {
        bool ok;              /* the device answered without an error */
        const char *ckr;      /* the name of the error in PKCS #11; NULL: there was none */
        int64_t latency_usec; /* how long the call to the device took */
        const char *reason;   /* why ok is false, a sentence; NULL: it is true, or the daemon is older */
};
/* Frees what tokend_probe() gave. NULL is allowed. */
void tokend_probe_free(struct tokend_probe *probe);

/* Asks the device of a token itself whether it answers. For root and the daemon's own user. Free *ret with tokend_probe_free(). */
enum tokend_error tokend_probe(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_probe **ret, struct tokend_failure *ret_failure);

/* Removes a claim that a crash of another host left on a token. Do this only if tokend on that host is stopped, or has restarted
 * its worker for this token since the claim was made. Otherwise two hosts may make an object with the same nickname. For root
 * and the daemon's own user. The request is never sent twice: TOKEND_OUTCOME_UNKNOWN if the reply was lost. */
enum tokend_error tokend_remove_claim(struct tokend *handle, const char *token, const char *nickname,
        const char *claimant, int timeout_ms, struct tokend_failure *ret_failure);

/* Makes an internal token anew, empty, whose databases are gone for good. It must have failed for that reason. It is begun when this
 * returns: tokend_status() says what came of it. For root and the daemon's own user. */
enum tokend_error tokend_make_anew(
        struct tokend *handle, const char *token, int timeout_ms, struct tokend_failure *ret_failure);

/* Starts a new audit file. It is begun when this returns; when rotated_seq of tokend_status() grows, it is done. For root and the
 * daemon's own user. */
enum tokend_error tokend_rotate_audit(
        struct tokend *handle, int timeout_ms, struct tokend_failure *ret_failure);

/* What came of tokend_retry() and the like. Strings live as long as the struct. */
struct tokend_maintenance {
        bool done;         /* it is as was wanted */
        const char *state; /* of the token by then: "starting", "ready", "recovering", "failed", "disabled" */
        const char *reason; /* why, a sentence; may be empty */
};
/* NULL is allowed. */
void tokend_maintenance_free(struct tokend_maintenance *maintenance);

/* What an operator has done with one token while the others serve. For root and the daemon's own user. Each returns when it is known what
 * came of it. Free *ret with tokend_maintenance_free(). The request is never sent twice: TOKEND_OUTCOME_UNKNOWN if the reply was lost;
 * tokend_status() says then what the token is.
 *
 * tokend_retry() tries once more what failed: a token that is not ready, or a section that a reload did not put in force. It makes one
 * attempt with the PIN. */
enum tokend_error tokend_retry(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_maintenance **ret, struct tokend_failure *ret_failure);
/* Takes the token out of service: no new requests; its worker finishes what it has, closes its sessions and ends. It stays so until
 * tokend_enable(), also over reloads; a restart of the service starts it. */
enum tokend_error tokend_drain(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_maintenance **ret, struct tokend_failure *ret_failure);
/* The same, without waiting for what its worker has. */
enum tokend_error tokend_disable(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_maintenance **ret, struct tokend_failure *ret_failure);
/* Puts it into service again, with one attempt of the PIN. */
enum tokend_error tokend_enable(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_maintenance **ret, struct tokend_failure *ret_failure);

/* ---- the policy ---- */

/* As whom the daemon sees the caller. Strings live as long as the struct. */
struct tokend_identity {
        int64_t uid, gid;
        int64_t *groups; /* supplementary */
        size_t n_groups;
        const char *unit;     /* the systemd unit; NULL: the daemon has not asked for it */
        const char *instance; /* [Instance]; NULL: none matches, and what follows is empty */
        const char *token;    /* NULL: none */
        const char **keys;    /* patterns of nicknames */
        size_t n_keys;
        const char **rights; /* words of Allow= */
        size_t n_rights;
        const char *json; /* the whole reply */
};

/* Tells as whom the daemon sees the caller. On a handle of tokend_open(). Everybody may ask. Free *ret with tokend_identity_free(). */
enum tokend_error tokend_whoami(struct tokend *handle, int timeout_ms, struct tokend_identity **ret,
        struct tokend_failure *ret_failure);
void tokend_identity_free(struct tokend_identity *identity);

/* Somebody. groups: numbers, as strings. unit: NULL: in none. */
struct tokend_whom {
        size_t struct_size; /* sizeof(struct tokend_whom) */
        int64_t uid, gid;
        const char *const *groups;
        size_t n_groups;
        const char *unit;
};

/* What the daemon would answer. */
struct tokend_permission {
        bool allowed;
        const char *instance;      /* whose call it would be; NULL: no [Instance] matches */
        const char *reason;        /* why not: "not-allowed", "KeyNotFound" ...; NULL: allowed */
        const char *nearest;       /* the [Instance] that comes nearest, if none matches; or NULL */
        const char *nearest_lacks; /* the key of it that does not match: "User=", "Group=", "Unit=" */
        const char *json;          /* the whole reply */
};

/* Asks what the policy would answer to somebody; nothing is done. For root and the daemon's own user, on a handle of
 * tokend_open_status(). operation: a word of Allow=. key: NULL for what needs none. Free *ret with tokend_permission_free(). */
enum tokend_error tokend_may(struct tokend *handle, const char *operation, const char *key,
        const struct tokend_whom *whom, int timeout_ms, struct tokend_permission **ret,
        struct tokend_failure *ret_failure);
void tokend_permission_free(struct tokend_permission *permission);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
