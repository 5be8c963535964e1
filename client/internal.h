/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the files of libtokend share and no user sees: the handle with its pool, one connection, one call.
 *
 *     sign.c, key.c, … → call.c (what is asked), run.c (waits for a call, or starts it for an event loop)
 *                  run.c → exchange.c (attempts, deadline) → pool.c (handle, connections, fork), socket.c (one connection)
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
        uint32_t watched; /* the events that the handle's loop waits for; 0: it does not have it */
        struct frame frame;
        struct pool_connection *next;
};

struct later;

struct tokend {
        char *path;
        unsigned flags;
        pthread_mutex_t lock; /* for connections and n_idle; no system call that waits is made under it */
        struct pool_connection *connections;
        unsigned n_idle;
        struct tokend *next; /* in the list of all handles, for fork */

        /* For an event loop; see run.c. One thread at a time. */
        int loop_fd,
                timer_fd; /* an epoll that has the timer and the connections of started calls; -1: not made yet */
        int64_t armed_usec; /* when the timer ends; INT64_MAX: it is not set */
        struct later *waiting, *ready,
                *turn;        /* started calls: for a descriptor or a time; to go on; in this turn */
        struct later *unused; /* made, and not used by a call yet */
        struct later *later;  /* this is the handle of one call, and not of a program; else NULL */
};

/* Closes every descriptor of the handle and frees it. */
void pool_close(struct tokend *handle);

/* Takes an idle connection of the caller's user that neither the daemon nor the program has closed. NULL: there is none. */
struct pool_connection *pool_take(struct tokend *handle);

/* Makes a socket that is not connected yet, and puts it into the list before that, so that no fork misses it. -errno. */
int pool_new(struct tokend *handle, struct pool_connection **ret);

/* Gives a connection back after a whole reply: it is kept for the next call, or closed if IDLE_MAX are kept. */
void pool_give_back(struct tokend *handle, struct pool_connection *connection);

/* Closes the connection, removes it from the list and frees it. */
void pool_drop(struct tokend *handle, struct pool_connection *connection);

/* Makes the descriptors of the handle's loop, unless it has them. -errno. */
int pool_loop(struct tokend *handle);

/* Has the loop tell the owner of these events of a connection (EPOLLIN, EPOLLOUT), until it is dropped or given back. -errno. */
int pool_watch(struct tokend *handle, struct pool_connection *connection, uint32_t events, void *owner);

/* ---- socket.c: times are in microseconds of CLOCK_MONOTONIC ---- */

/* now_usec(), signed, because the time that is left may be negative. */
static inline int64_t clock_usec(void)
{
        return (int64_t)now_usec();
}

/* A socket that is not descriptor 0, 1 or 2: what a program prints that was started without them must not go to the daemon.
 * -1: errno says why. */
int socket_new(void);

/* -EAGAIN: the daemon does not accept as fast as others connect; -errno. */
int socket_connect(struct pool_connection *connection, const char *path);

/* Sends of *text what the socket takes, and moves *text and *length behind it. -EAGAIN: it takes no more now; another -errno: the
 * connection is lost. */
int socket_send(struct pool_connection *connection, const char **text, size_t *length);

/* Reads what is there. -EAGAIN: nothing; -ECONNRESET: the connection is lost; -EMSGSIZE: a message is longer than REPLY_MAX; -ENOMEM. */
int socket_read(struct pool_connection *connection);

/* Waits for events of poll(2), until that time. fd -1: for the time alone. */
void socket_wait(int fd, short events, int64_t until);

/* ---- failure.c ---- */

/* Fills *ret_failure, unless it is NULL, with a sentence of the library. Returns error. */
enum tokend_error fail(struct tokend_failure *ret_failure, enum tokend_error error, const char *format, ...)
        _printf_(3, 4);

/* Fills *ret_failure, unless it is NULL, from an error reply. parameters may be NULL. *ret_retry_ms: when Overloaded says that a
 * repeat makes sense; 0 for other errors. */
enum tokend_error fail_reply(struct tokend_failure *ret_failure, const char *name,
        struct json_object *parameters, int64_t *ret_retry_ms);

/* The failure of a reply that does not match the interface. what: the field, or what is wrong. */
enum tokend_error fail_field(struct tokend_failure *ret_failure, const char *name, const char *what);

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

enum call_state {
        CALL_PAUSED,    /* `until` is when the next attempt begins */
        CALL_SENDING,   /* until the socket takes more */
        CALL_RECEIVING, /* until there is more of the reply */
};

/* One call of a program: what is asked, what was taken of the replies, and where it stands. It can be moved in memory. */
struct call {
        const char *method;
        struct json_object *parameters; /* owned; NULL: memory was short, which is reported when it runs */
        enum call_kind kind;
        bool more;
        bool secret;       /* what it sends or gets is wiped by whoever held it */
        bool with_timeout; /* the method has the parameter timeoutMs */
        int64_t deadline;  /* set by call_init() */
        int gap_ms; /* Watch: each reply may come so long after the one before; 0: the deadline holds for all */

        /* Takes the parameters of each reply; they are borrowed, and NULL if the reply has none. NULL: nothing is taken. Of a reply that
         * is the only one it may set *ret itself. Returns TOKEND_OK to go on. */
        enum tokend_error (*take)(
                struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure);
        /* Frees what was taken: an attempt begins, or the call has failed. NULL: nothing is to be freed. */
        void (*forget)(struct call *call);
        /* The call has ended as call->error says, which it may change. true: it has made another call of this one, which runs next. NULL:
         * that was all. */
        bool (*then)(struct call *call);
        void *object; /* what was taken: it goes to *ret, and length to *ret_length, which may be NULL */
        size_t length;
        void *ret; /* the program's; a pointer to a pointer where there is an object */
        size_t *ret_length;
        void *plan; /* of then(); freed with plan_free() when all has ended */
        void (*plan_free)(void *plan);

        /* exchange.c */
        enum call_state state;
        int64_t until; /* when it goes on, whatever has come by then */
        int64_t pause; /* before the attempt after the next one */
        struct pool_connection *connection;
        char *text; /* the request; owned */
        const char *rest;
        size_t rest_length;
        size_t total;     /* bytes of the replies until now */
        bool waited;      /* for the reply: it is worth reading now */
        bool sent;        /* the daemon may have the request */
        bool given_up;    /* by its own callback: it ends now */
        bool again;       /* the attempt ended so that another one may follow */
        int64_t retry_ms; /* when the daemon says that another one makes sense */
        enum tokend_error error;
        struct tokend_failure failure; /* set if error is not TOKEND_OK */
};

/* Begins a call that ends with call_run(), or with call_done(). timeout_ms: of the user, which is checked. otherwise_ms: the deadline of
 * the daemon, which holds if timeout_ms is 0. */
enum tokend_error call_init(struct call *call, const char *method, enum call_kind kind, int timeout_ms,
        int otherwise_ms, struct tokend_failure *ret_failure);
void call_done(struct call *call);

/* Readies a call for its first step. */
void call_start(struct call *call);

/* Makes the next call of a plan of this one, which has ended, and readies it. */
void call_become(struct call *call, const struct call *next);

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

/* For take() and forget() of bytes that are the object. secret: they are wiped. */
enum tokend_error call_take_bytes(
        struct call *call, enum tokend_error error, const struct field_bytes *bytes);
void call_forget_bytes(struct call *call);

/* Fills the struct that the table describes from the object; NULL stands for an empty object. name: of the method or type, for
 * the sentence. After a failure the struct holds nothing that must be freed. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error call_parse(const char *name, const struct field *fields, size_t n_fields,
        struct json_object *object, void *ret, struct tokend_failure *ret_failure);

/* ---- exchange.c ---- */

/* Goes on as far as that is possible without waiting. true: it has ended. false: it goes on when its connection, if it has one, can be
 * written to (CALL_SENDING) or read (CALL_RECEIVING), and when it is `until`. */
bool call_step(struct tokend *handle, struct call *call);

/* Ends a call at any point. */
void call_abandon(struct tokend *handle, struct call *call);

/* ---- run.c ---- */

/* Runs a call that was begun, with repeats, sets its outputs and ends it. On a handle of tokend_later() it is started: TOKEND_STARTED.
 * TOKEND_OUTCOME_UNKNOWN: the reply to a CALL_ONCE was lost. */
enum tokend_error call_run(struct tokend *handle, struct call *call, struct tokend_failure *ret_failure);

/* Likewise; take, forget and ret: those of the call. */
static inline enum tokend_error call_finish(struct tokend *handle, struct call *call,
        enum tokend_error (*take)(
                struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure),
        void (*forget)(struct call *call), void *ret, struct tokend_failure *ret_failure)
{
        call->take = take;
        call->forget = forget;
        call->ret = ret;
        return call_run(handle, call, ret_failure);
}

/* Likewise, of a call whose object is bytes. */
static inline enum tokend_error call_finish_bytes(struct tokend *handle, struct call *call,
        enum tokend_error (*take)(
                struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure),
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        call->ret_length = ret_length;
        return call_finish(handle, call, take, call_forget_bytes, ret, ret_failure);
}

/* ---- key.c ---- */

/* Makes a key, which takes a reference to object. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error key_new(
        struct json_object *object, struct tokend_key **ret, struct tokend_failure *ret_failure);

/* take() and forget() of a reply {key: Key}; the object is a struct tokend_key. */
enum tokend_error key_take(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure);
void key_forget(struct call *call);

/* Makes a call of List: its object is a struct tokend_keys, which keys_forget() frees. */
enum tokend_error keys_begin(struct call *call, const char *token, const char *nickname, const char *since,
        int timeout_ms, struct tokend_failure *ret_failure);

/* ---- list-end.c ---- */

/* Takes what a reply of a List says beside its objects: state, which may be NULL, unchanged, and an array of what is unavailable, or
 * NULL. TOKEND_PROTOCOL_VIOLATION, TOKEND_NO_MEMORY. */
enum tokend_error list_end_take(struct tokend_list_end *end, const char *state, bool unchanged,
        struct json_object *unavailable, struct tokend_failure *ret_failure);
void list_end_done(struct tokend_list_end *end);

/* ---- certificate.c ---- */

/* take() and forget() of a reply {certificate: Certificate}; the object is a struct tokend_certificate. */
enum tokend_error certificate_take(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure);
void certificate_forget(struct call *call);

static inline void json_putp(struct json_object **object)
{
        json_object_put(*object);
}
