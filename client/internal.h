/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of libtokend share and no user sees: the handle with its pool, one connection, one call.
 *
 *     sign.c, key.c, … → call.c (repeats, deadline) → pool.c (handle, idle connections, fork), socket.c (one connection)
 *
 * Errors: a function that has the parameter ret_failure returns enum tokend_error and has written the sentence to
 * *ret_failure. Every other function that can fail follows the rule of daemon/util/macros.h: 0, -errno, a positive
 * condition. So an errno becomes a tokend_error where a function of the first kind calls one of the second.
 */
#pragma once

#include <json-c/json.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

#include "client/tokend.h"
#include "daemon/util/macros.h"
#include "proto/fields.h"
#include "proto/frame.h"
#include "proto/json.h"

/* Idle connections that a handle keeps. So many threads can call at once and never connect again. */
#define IDLE_MAX 64U

/* Bytes of the longest message that is taken from a daemon. Today's daemon sends at most LIMIT_MESSAGE. */
#define REPLY_MAX (1024U * 1024U)

/* Bytes of the longest reply in several messages: 100 000 keys. */
#define REPLIES_MAX (64U * 1024U * 1024U)

/* ---- pool.c ---- */

/* A connection to the daemon. It is in the list of its handle, whether it is idle or not, so that the child of a fork can close
 * it. */
struct pool_connection {
        int fd;    /* -1: it was closed, perhaps by a fork */
        ino_t ino; /* of the socket: a program that closes all descriptors may have another file there by now */
        uid_t uid; /* whom the daemon takes the caller for */
        bool idle;
        struct frame frame;
        struct pool_connection *next;
};

struct tokend {
        char *path;
        unsigned flags;
        pthread_mutex_t lock; /* for connections and n_idle; no system call that waits is made under it */
        struct pool_connection *connections;
        unsigned n_idle;
        struct tokend *next; /* in the list of all handles, for fork */
};

/* Takes an idle connection of the caller's user that neither the daemon nor the program has closed. NULL: there is none. */
struct pool_connection *pool_take(struct tokend *handle);

/* Makes a socket that is not connected yet, and puts it into the list before that, so that no fork misses it. -errno. */
int pool_new(struct tokend *handle, struct pool_connection **ret);

/* Gives a connection back after a whole reply: it is kept for the next call, or closed if IDLE_MAX are kept. */
void pool_give_back(struct tokend *handle, struct pool_connection *connection);

/* Closes the connection, removes it from the list and frees it. */
void pool_drop(struct tokend *handle, struct pool_connection *connection);

/* ---- socket.c: deadlines are in microseconds of CLOCK_MONOTONIC ---- */

/* now_usec(), signed, because the time that is left may be negative. */
static inline int64_t clock_usec(void)
{
        return (int64_t)now_usec();
}
void sleep_until(int64_t usec);

/* -EAGAIN: the daemon does not accept as fast as others connect; -errno. */
/* A socket that is not descriptor 0, 1 or 2: what a program prints that was started without them must not go to the daemon.
 * -1: errno says why. */
int socket_new(void);
int socket_connect(struct pool_connection *connection, const char *path);

/* Sends a whole message with its NUL. *ret_sent, which is always set: whether all of it was sent. The daemon does not act on a
 * message that has not ended. -ETIMEDOUT; another -errno: the connection is lost. */
int socket_send(struct pool_connection *connection, const char *message, int64_t deadline, bool *ret_sent);

/* Waits for one message, which is valid until the next call. -ETIMEDOUT; -ECONNRESET: the connection is lost; -EMSGSIZE: it is
 * longer than REPLY_MAX; -ENOMEM. */
int socket_receive(struct pool_connection *connection, int64_t deadline, char **ret, size_t *ret_length);

/* ---- failure.c ---- */

/* Fills *ret_failure, unless it is NULL, with a sentence of the library. Returns error. */
enum tokend_error fail(struct tokend_failure *ret_failure, enum tokend_error error, const char *format, ...)
        _printf_(3, 4);

/* Fills *ret_failure, unless it is NULL, from an error reply. parameters may be NULL. *ret_retry_ms: when Overloaded says that a
 * repeat makes sense; 0 for other errors. */
enum tokend_error fail_reply(struct tokend_failure *ret_failure, const char *name,
        struct json_object *parameters, int64_t *ret_retry_ms);

/* Makes the text in the buffer printable (daemon/util/printable.h), and removes a character at the end that was cut. */
void failure_clean(char *text, size_t size);

/* ---- structure.c ---- */

/* Copies a struct that a program gave, and that begins with struct_size, to *ret, which has the `known` bytes of this library. name: of
 * the struct. TOKEND_INVALID_ARGUMENT: the size was not set, or a field is set that this library does not know. */
enum tokend_error structure_take(
        void *ret, size_t known, const void *given, const char *name, struct tokend_failure *ret_failure);

/* n pointers and a NULL, to n structures of zeros behind them: one free() for all. NULL: no memory. */
void *structures_new(size_t n, size_t size);

/* ---- call.c; the methods' own calls are made from the interface files: gen/client/stubs.h ---- */

enum call_kind {
        CALL_REPEATABLE, /* the request changes nothing: it is sent again if the reply was lost */
        CALL_ONCE,       /* the request is not sent again once the daemon may have it */
};

struct call {
        const char *method;
        struct json_object *parameters; /* owned; NULL: memory was short, which call_run() reports */
        enum call_kind kind;
        bool more;
        bool secret;       /* what it sends or gets is wiped by whoever held it */
        bool with_timeout; /* the method has the parameter timeoutMs */
        int64_t deadline;  /* set by call_init() */
        int gap_ms; /* Watch: each reply may come so long after the one before; 0: the deadline holds for all */
        /* Takes the parameters of each reply; they are borrowed, and NULL if the reply has none. With again, it must forget what
         * it took, because an attempt begins. Returns TOKEND_OK to go on. */
        enum tokend_error (*take)(void *userdata, struct json_object *parameters, bool again,
                struct tokend_failure *ret_failure);
        void *userdata;
};

/* Begins a call that ends with call_done(). timeout_ms: of the user, which is checked. otherwise_ms: the deadline of the daemon,
 * which holds if timeout_ms is 0. */
enum tokend_error call_init(struct call *call, const char *method, enum call_kind kind, int timeout_ms,
        int otherwise_ms, struct tokend_failure *ret_failure);
void call_done(struct call *call);

/* Arguments of a call, which are borrowed. An optional one is left out if data is NULL, or n is 0. */
struct call_bytes {
        const void *data;
        size_t length;
};
struct call_strings {
        const char *const *values;
        size_t n;
};

/* Adds a parameter. A string that is NULL is left out. If memory is short, call_run() reports it. */
void call_add_string(struct call *call, const char *name, const char *value);
void call_add_bytes(struct call *call, const char *name, struct call_bytes value);
void call_add_int(struct call *call, const char *name, int64_t value);
void call_add_bool(struct call *call, const char *name, bool value);
void call_add_strings(struct call *call, const char *name, struct call_strings value);
/* Takes the object over. NULL: memory was short. */
void call_add_object(struct call *call, const char *name, struct json_object *value);

/* Makes the call, with repeats. TOKEND_OUTCOME_UNKNOWN: the reply to a CALL_ONCE was lost. */
enum tokend_error call_run(struct tokend *handle, struct call *call, struct tokend_failure *ret_failure);

/* Runs and ends a call that was begun. take, which may be NULL, takes the replies. */
enum tokend_error call_finish(struct tokend *handle, struct call *call,
        enum tokend_error (*take)(void *userdata, struct json_object *parameters, bool again,
                struct tokend_failure *ret_failure),
        void *userdata, struct tokend_failure *ret_failure);

/* Fills the struct that the table describes from the object; NULL stands for an empty object. name: of the method or type, for
 * the sentence. After a failure the struct holds nothing that must be freed. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error call_parse(const char *name, const struct field *fields, size_t n_fields,
        struct json_object *object, void *ret, struct tokend_failure *ret_failure);

/* The failure of a reply that does not match the interface. what: the field, or what is wrong. */
enum tokend_error fail_field(struct tokend_failure *ret_failure, const char *name, const char *what);

/* ---- key.c ---- */

/* Makes a key, which takes a reference to object. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error key_new(
        struct json_object *object, struct tokend_key **ret, struct tokend_failure *ret_failure);

/* take() of a reply {key: Key}; userdata: struct tokend_key **. */
enum tokend_error key_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure);

/* ---- list-end.c ---- */

/* Takes what a reply of a List says beside its objects: state, which may be NULL, unchanged, and an array of what is unavailable, or
 * NULL. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error list_end_take(struct tokend_list_end *end, const char *state, bool unchanged,
        struct json_object *unavailable, struct tokend_failure *ret_failure);
void list_end_done(struct tokend_list_end *end);

/* ---- certificate.c ---- */

/* take() of a reply {certificate: Certificate}; userdata: struct tokend_certificate **. */
enum tokend_error certificate_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure);

static inline void json_putp(struct json_object **object)
{
        json_object_put(*object);
}
