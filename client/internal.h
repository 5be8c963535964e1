/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of libtokend share, and no user sees: the handle with its pool, one connection, one call.
 *
 *     sign.c, list.c, … → call.c (repeats, deadline) → pool.c (handle, idle connections, fork) → connection.c
 */
#pragma once

#include <json-c/json.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/tokend.h"
#include "daemon/util/macros.h"
#include "proto/fields.h"
#include "proto/frame.h"

/* Connections that are kept though nothing uses them: as many threads can call at once and never reconnect.
 */
#define IDLE_MAX 64U

/* The longest message taken from a daemon: it keeps to 128 KiB itself, with room for those to come. */
#define REPLY_MAX (1024U * 1024U)

/* The longest answer in several messages: 100 000 keys. */
#define REPLIES_MAX (64U * 1024U * 1024U)

/* ---- pool.c ---- */

/* fd: -1 once it was closed, also by a fork. Listed with its handle, idle or not, so that a child can close
 * all. */
struct connection {
        int fd;
        bool idle;
        struct frame frame;
        struct connection *next;
};

struct tokend {
        char *path;
        unsigned flags;
        pthread_mutex_t lock; /* of the list; never held over a wait */
        struct connection *connections;
        unsigned n_idle;
        struct tokend *next; /* of all handles, for fork */
};

/* An idle connection that is still good, or NULL. */
struct connection *pool_take(struct tokend *handle);

/* A new socket, listed before it is connected, so that no fork misses it. -errno. */
int pool_new(struct tokend *handle, struct connection **ret);

/* Keeps it for the next call, or closes it where enough are kept. */
void pool_give_back(struct tokend *handle, struct connection *connection);

/* Closes, unlists and frees it. */
void pool_drop(struct tokend *handle, struct connection *connection);

/* ---- connection.c: all against a deadline in microseconds of CLOCK_MONOTONIC ---- */

/* now_usec(), signed: what is left until a deadline may be negative. */
static inline int64_t clock_usec(void)
{
        return (int64_t)now_usec();
}
void sleep_until(int64_t usec);

/* -errno; -EAGAIN: nothing wrong but that the daemon does not keep up. */
int connection_connect(struct connection *connection, const char *path);

/* Sends a whole message with its NUL. *ret_sent: whether all of it left, set in every case: a message without
 * its end is none. -ETIMEDOUT; -EPIPE and the like: lost. */
int connection_send(struct connection *connection, const char *message, int64_t deadline, bool *ret_sent);

/* Waits for one message, valid until the next is. -ETIMEDOUT; -ECONNRESET: lost; -EMSGSIZE; -ENOMEM. */
int connection_receive(struct connection *connection, int64_t deadline, char **ret, size_t *ret_length);

/* ---- failure.c ---- */

/* Fills *ret_failure unless it is NULL, with a sentence of the library's; returns error. */
enum tokend_error fail(struct tokend_failure *ret_failure, enum tokend_error error, const char *format, ...)
        _printf_(3, 4);

/* Likewise from an error reply. parameters may be NULL. *ret_retry_ms: of Overloaded, else 0. */
enum tokend_error fail_reply(struct tokend_failure *ret_failure, const char *name,
        struct json_object *parameters, int64_t *ret_retry_ms);

/* A new string without control characters in the buffer, cut between characters. */
void text_clean(char *text);

/* ---- call.c; the methods' own calls are made from the interface files: gen/client/stubs.h ---- */

enum call_kind {
        CALL_REPEATABLE, /* changes nothing: sent again when the answer was lost */
        CALL_ONCE,       /* never sent again once the daemon may have it */
};

struct call {
        const char *method;
        struct json_object *parameters; /* owned; NULL where memory was short: the call then says so */
        enum call_kind kind;
        bool more;
        bool with_timeout; /* the method has timeoutMs */
        int64_t deadline;  /* microseconds; by call_init() */
        int gap_ms; /* Watch: replies may be this much apart, each with a deadline of its own; else 0 */
        /* One reply's parameters, borrowed (NULL where it has none); NULL and true: what was taken is void,
         * all comes again. TOKEND_OK to go on. Called for the last one too. */
        enum tokend_error (*take)(void *userdata, struct json_object *parameters, bool again,
                struct tokend_failure *ret_failure);
        void *userdata;
};

/* Checks timeout_ms and sets the deadline. otherwise_ms: the daemon's own, which 0 stands for. */
enum tokend_error call_init(struct call *call, const char *method, enum call_kind kind, int timeout_ms,
        int otherwise_ms, struct tokend_failure *ret_failure);
void call_done(struct call *call);

/* Arguments of a call, the caller's. data NULL, n 0: left out, where the method allows it. */
struct call_bytes {
        const void *data;
        size_t length;
};
struct call_strings {
        const char *const *values;
        size_t n;
};

/* The bytes to be signed or verified, into the one of both that they are. TOKEND_INVALID_ARGUMENT. */
enum tokend_error call_input(enum tokend_input kind, const void *input, size_t length,
        struct call_bytes *ret_digest, struct call_bytes *ret_message, struct tokend_failure *ret_failure);

/* Adds a parameter. A string that is NULL is left out. That memory was short is remembered: call_run() says so. */
void call_add_string(struct call *call, const char *name, const char *value);
void call_add_bytes(struct call *call, const char *name, struct call_bytes value);
void call_add_int(struct call *call, const char *name, int64_t value);
void call_add_bool(struct call *call, const char *name, bool value);
void call_add_strings(struct call *call, const char *name, struct call_strings value);

/* Makes the call. TOKEND_OUTCOME_UNKNOWN for CALL_ONCE where the answer was lost. */
enum tokend_error call_run(struct tokend *handle, struct call *call, struct tokend_failure *ret_failure);

/* The whole rest of a call that was begun: takes its replies by take (NULL: there is nothing in them), runs it, and ends
 * it. */
enum tokend_error call_finish(struct tokend *handle, struct call *call,
        enum tokend_error (*take)(void *userdata, struct json_object *parameters, bool again,
                struct tokend_failure *ret_failure),
        void *userdata, struct tokend_failure *ret_failure);

/* Fills the struct of that table from the object (NULL: an empty one). name: of the method or type, for the failure; then
 * the struct holds nothing that has to be freed. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error call_parse(const char *name, const struct field *fields, size_t n_fields,
        struct json_object *object, void *ret, struct tokend_failure *ret_failure);

/* A reply does not match the interface. what: the field, or what is wrong. */
enum tokend_error fail_field(struct tokend_failure *ret_failure, const char *name, const char *what);

/* ---- key.c ---- */

/* Takes a reference of its own to object. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error key_new(
        struct json_object *object, struct tokend_key **ret, struct tokend_failure *ret_failure);

/* take() of a reply {key: Key}; userdata: struct tokend_key **. */
enum tokend_error key_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure);

/* ---- certificate.c ---- */

/* take() of a reply {certificate: Certificate}; userdata: struct tokend_certificate **. */
enum tokend_error certificate_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure);

static inline void json_putp(struct json_object **object)
{
        json_object_put(*object);
}
