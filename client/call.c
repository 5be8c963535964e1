/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One call of a user: its attempts, the pauses between them, the one deadline for all of it, and the rule what may be sent
 * again. A request counts as sent when its last byte, the NUL, has left, because the daemon does not act on a message that
 * has not ended. If a connection is lost before that, any request can be sent again.
 */
#include <errno.h>
#include <string.h>

#include "client/internal.h"
#include "daemon/util/text.h"
#include "daemon/util/wipe.h"
#include "proto/base64.h"
#include "proto/json.h"
#include "proto/limits.h"

/* If the user sets no timeout, the call waits so long beyond the daemon's own deadline, for the reply that says that it has
 * passed. */
#define GRACE_MS 2000

#define PAUSE_MIN_USEC 10000
#define PAUSE_MAX_USEC 250000

enum verdict {
        VERDICT_DONE,     /* the result is final */
        VERDICT_NOT_SENT, /* the request was not sent: try again */
        VERDICT_LOST,     /* the request was sent, and no reply came */
        VERDICT_BUSY,     /* the daemon refused it for now: try again after retry_ms */
};

struct attempt {
        struct tokend_failure failure;
        enum tokend_error error;
        bool sent;
        int64_t retry_ms;
};

/* ---- the request ---- */

enum tokend_error call_init(struct call *call, const char *method, enum call_kind kind, int timeout_ms,
        int otherwise_ms, struct tokend_failure *ret_failure)
{
        *call = (struct call){.method = method, .kind = kind};
        if (timeout_ms < 0 || timeout_ms > (int)LIMIT_TIMEOUT_MS)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT,
                        "expected a timeout from 0 to %u ms, not %d ms", LIMIT_TIMEOUT_MS, timeout_ms);
        call->deadline =
                clock_usec() + (int64_t)(timeout_ms > 0 ? timeout_ms : otherwise_ms + GRACE_MS) * 1000;
        call->parameters = json_object_new_object();
        return TOKEND_OK;
}

void call_done(struct call *call)
{
        if (call->secret)
                json_wipe(call->parameters);
        json_object_put(call->parameters);
        call->parameters = NULL;
}

/* Sets a member. The value is the object's then, or is released. false: no memory, which a value or object of NULL says, too. */
static bool put(struct json_object *object, const char *name, struct json_object *value)
{
        if (object && value && json_object_object_add(object, name, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

/* If memory is short, the parameters become NULL, which call_run() reports. */
void call_add_object(struct call *call, const char *name, struct json_object *value)
{
        if (!put(call->parameters, name, value))
                call_done(call);
}

void call_add_string(struct call *call, const char *name, const char *value)
{
        if (value)
                call_add_object(call, name, json_object_new_string(value));
}

void call_add_bytes(struct call *call, const char *name, struct call_bytes value)
{
        /* A longer one cannot be sent, and call_run() refuses one that is cut here as well. */
        size_t n = value.length <= LIMIT_MESSAGE ? value.length : LIMIT_MESSAGE;
        size_t size = BASE64_LENGTH(n) + 1;
        char *text = malloc(size);

        if (text)
                base64_encode(value.data, n, text);
        call_add_object(call, name, text ? json_object_new_string(text) : NULL);
        wipe_free(text, size);
}

void call_add_int(struct call *call, const char *name, int64_t value)
{
        call_add_object(call, name, json_object_new_int64(value));
}

void call_add_bool(struct call *call, const char *name, bool value)
{
        call_add_object(call, name, json_object_new_boolean(value));
}

void call_add_strings(struct call *call, const char *name, struct call_strings strings)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < strings.n; i++) {
                struct json_object *value = json_object_new_string(strings.values[i]);

                if (!value || json_object_array_add(array, value) < 0) {
                        json_object_put(value);
                        json_object_put(array);
                        array = NULL;
                }
        }
        call_add_object(call, name, array);
}

/* The timeoutMs of the request: a little less than the time that is left, so that the daemon's reply arrives in time. */
static int64_t timeout_ms_left(const struct call *call)
{
        int64_t left = (call->deadline - clock_usec()) / 1000, margin = left / 10 < 100 ? left / 10 : 100;

        left -= margin;
        return left < 1 ? 1 : left > LIMIT_TIMEOUT_MS ? LIMIT_TIMEOUT_MS : left;
}

/* The request as text, which the caller frees. -ENOMEM; -EBADMSG: an argument is not UTF-8. */
static int build_request(struct call *call, char **ret)
{
        _cleanup_(json_putp) struct json_object *request = json_object_new_object();

        if (call->with_timeout)
                call_add_int(call, "timeoutMs", timeout_ms_left(call));
        if (!put(request, "method", json_object_new_string(call->method)) ||
                !put(request, "parameters", json_object_get(call->parameters)) ||
                (call->more && !put(request, "more", json_object_new_boolean(1))))
                return -ENOMEM;
        return json_print(request, ret);
}

/* -errno: the connection does not take it. Any other failure is in *a. */
static int send_request(struct call *call, struct pool_connection *connection, struct attempt *a)
{
        _cleanup_(freep) char *text = NULL;
        int r = build_request(call, &text);

        if (r == -ENOMEM) {
                a->error = fail(&a->failure, TOKEND_NO_MEMORY, "no memory for the request");
        } else if (r < 0) {
                a->error = fail(&a->failure, TOKEND_INVALID_ARGUMENT, "an argument is not UTF-8");
        } else if (strlen(text) > LIMIT_MESSAGE) {
                a->error = fail(&a->failure, TOKEND_INVALID_ARGUMENT,
                        "the request has more than the %u bytes that the daemon accepts", LIMIT_MESSAGE);
        } else {
                r = socket_send(connection, text, call->deadline, &a->sent);
                if (call->secret)
                        explicit_bzero(text, strlen(text));
                return r;
        }
        return 0;
}

/* ---- the reply ---- */

enum tokend_error fail_field(struct tokend_failure *ret_failure, const char *name, const char *what)
{
        return fail(ret_failure, TOKEND_PROTOCOL_VIOLATION, "the reply does not match %s: %s", name, what);
}

enum tokend_error call_parse(const char *name, const struct field *fields, size_t n_fields,
        struct json_object *object, void *ret, struct tokend_failure *ret_failure)
{
        struct field_fault fault;
        int r = fields_parse(fields, n_fields, object, false, ret, &fault);

        if (r == 0)
                return TOKEND_OK;
        fields_done(fields, n_fields, ret);
        return r < 0 ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the reply")
                     : fail_field(ret_failure, name, fault.name);
}

struct reply {
        const char *error;
        struct json_object *parameters;
        bool continues;
};

static const struct field reply_fields[] = {
        {.name = "error", .kind = FIELD_STRING, .offset = offsetof(struct reply, error)},
        {.name = "parameters", .kind = FIELD_OBJECT, .offset = offsetof(struct reply, parameters)},
        {.name = "continues", .kind = FIELD_BOOL, .offset = offsetof(struct reply, continues)},
};

/* Takes one message. *ret_more: another message follows. */
static enum verdict take_reply(
        struct call *call, const char *text, size_t length, struct attempt *a, bool *ret_more)
{
        _cleanup_(json_putp) struct json_object *object = NULL;
        struct reply reply;
        struct field_fault fault = {.name = "not JSON"};
        int r = json_parse(text, length, &object);

        if (r == 0)
                r = fields_parse(reply_fields, ARRAY_SIZE(reply_fields), object, false, &reply, &fault);
        if (r == -ENOMEM)
                a->error = fail(&a->failure, TOKEND_NO_MEMORY, "no memory for the reply");
        else if (r != 0)
                a->error = fail_field(&a->failure, call->method, fault.name);
        else if (reply.error)
                a->error = fail_reply(&a->failure, reply.error, reply.parameters, &a->retry_ms);
        else if (reply.continues && !call->more)
                a->error = fail_field(&a->failure, call->method, "continues");
        else
                a->error = call->take ? call->take(call->userdata, reply.parameters, false, &a->failure)
                                      : TOKEND_OK;
        *ret_more = a->error == TOKEND_OK && reply.continues;
        if (call->secret)
                json_wipe(object);
        return a->error == TOKEND_OVERLOADED ? VERDICT_BUSY : VERDICT_DONE;
}

static enum verdict receive_failed(int r, struct attempt *a)
{
        switch (r) {
        case -ETIMEDOUT:
                a->error = fail(&a->failure, TOKEND_TIMED_OUT, "the daemon did not answer in time");
                return VERDICT_DONE;
        case -EMSGSIZE:
                a->error = fail(
                        &a->failure, TOKEND_PROTOCOL_VIOLATION, "a reply has more than %u bytes", REPLY_MAX);
                return VERDICT_DONE;
        case -ENOMEM:
                a->error = fail(&a->failure, TOKEND_NO_MEMORY, "no memory for the reply");
                return VERDICT_DONE;
        default:
                a->error = fail(&a->failure, TOKEND_CANNOT_CONNECT,
                        "the daemon closed the connection before it answered");
                return VERDICT_LOST;
        }
}

static enum verdict receive_replies(struct call *call, struct pool_connection *connection, struct attempt *a)
{
        int64_t deadline = call->deadline;
        size_t total = 0;

        for (;;) {
                enum verdict verdict;
                size_t length;
                char *text;
                bool more;
                int r = socket_receive(connection, deadline, &text, &length);

                if (r < 0)
                        return receive_failed(r, a);
                verdict = take_reply(call, text, length, a, &more);
                if (call->secret)
                        explicit_bzero(text, length);
                if (!more)
                        return verdict;
                total += length;
                if (call->gap_ms > 0) {
                        deadline = clock_usec() + (int64_t)call->gap_ms * 1000;
                } else if (total > REPLIES_MAX) {
                        a->error = fail(&a->failure, TOKEND_PROTOCOL_VIOLATION,
                                "the replies have more than %u bytes in all", REPLIES_MAX);
                        return VERDICT_DONE;
                }
        }
}

/* ---- attempts ---- */

static enum verdict open_connection(struct tokend *handle, struct pool_connection **ret, struct attempt *a)
{
        struct pool_connection *connection;
        int r = pool_new(handle, &connection);

        if (r == 0) {
                r = socket_connect(connection, handle->path);
                if (r < 0)
                        pool_drop(handle, connection);
        }
        if (r == 0) {
                *ret = connection;
                return VERDICT_DONE;
        }
        a->error = fail(&a->failure, r == -ENOMEM ? TOKEND_NO_MEMORY : TOKEND_CANNOT_CONNECT, "%s: %s",
                handle->path, strerror(-r));
        if (r == -EAGAIN || r == -EINTR)
                return VERDICT_NOT_SENT;
        if (r == -ENOENT || r == -ECONNREFUSED)
                return handle->flags & TOKEND_NO_WAIT ? VERDICT_DONE : VERDICT_NOT_SENT;
        return VERDICT_DONE;
}

static enum verdict attempt(struct tokend *handle, struct call *call, struct attempt *a)
{
        struct pool_connection *connection = pool_take(handle);
        enum verdict verdict;
        int r;

        *a = (struct attempt){.error = TOKEND_OK};
        if (!connection) {
                verdict = open_connection(handle, &connection, a);
                if (a->error != TOKEND_OK)
                        return verdict;
        }
        r = send_request(call, connection, a);
        if (r == -ETIMEDOUT) {
                a->error =
                        fail(&a->failure, TOKEND_TIMED_OUT, "the daemon did not accept the request in time");
                verdict = VERDICT_DONE;
        } else if (r < 0) {
                a->error = fail(&a->failure, TOKEND_CANNOT_CONNECT, "the daemon closed the connection");
                verdict = VERDICT_NOT_SENT;
        } else if (a->error != TOKEND_OK) {
                verdict = VERDICT_DONE;
        } else {
                verdict = receive_replies(call, connection, a);
        }
        /* Only after a whole reply is it known where the next one begins. */
        if (a->error == TOKEND_OK || (a->error < TOKEND_CANNOT_CONNECT && !call->gap_ms))
                pool_give_back(handle, connection);
        else
                pool_drop(handle, connection);
        return verdict;
}

/* Whether the daemon may have done what it was asked, without a reply that says so. */
static bool is_unknown(const struct call *call, const struct attempt *a, enum verdict verdict)
{
        return call->kind == CALL_ONCE && a->sent &&
               (verdict == VERDICT_LOST || a->error == TOKEND_TIMED_OUT ||
                       a->error == TOKEND_PROTOCOL_VIOLATION || a->error == TOKEND_NO_MEMORY);
}

/* Waits before the next attempt. false: there is no next attempt. */
static bool wait_for_next(
        const struct call *call, enum verdict verdict, const struct attempt *a, int64_t *pause)
{
        int64_t next = clock_usec();

        if (verdict == VERDICT_DONE || (verdict == VERDICT_LOST && call->gap_ms > 0))
                return false;
        if (verdict == VERDICT_BUSY) {
                int64_t ms = a->retry_ms < 1                  ? 1
                             : a->retry_ms > LIMIT_TIMEOUT_MS ? LIMIT_TIMEOUT_MS
                                                              : a->retry_ms;

                next += ms * 1000;
        } else {
                next += *pause;
                *pause = *pause * 2 < PAUSE_MAX_USEC ? *pause * 2 : PAUSE_MAX_USEC;
        }
        if (next >= call->deadline)
                return false;
        sleep_until(next);
        return true;
}

enum tokend_error call_run(struct tokend *handle, struct call *call, struct tokend_failure *ret_failure)
{
        int64_t pause = PAUSE_MIN_USEC;
        enum verdict verdict;
        struct attempt a;

        for (;;) {
                if (call->take)
                        call->take(call->userdata, NULL, true, NULL);
                verdict = attempt(handle, call, &a);
                if (is_unknown(call, &a, verdict))
                        return fail(ret_failure, TOKEND_OUTCOME_UNKNOWN,
                                "it is unknown whether %s was done: %s", call->method, a.failure.text);
                if (!wait_for_next(call, verdict, &a, &pause))
                        break;
        }
        if (a.error != TOKEND_OK && ret_failure)
                *ret_failure = a.failure;
        return a.error;
}

enum tokend_error call_finish(struct tokend *handle, struct call *call,
        enum tokend_error (*take)(void *userdata, struct json_object *parameters, bool again,
                struct tokend_failure *ret_failure),
        void *userdata, struct tokend_failure *ret_failure)
{
        enum tokend_error error;

        call->take = take;
        call->userdata = userdata;
        error = call_run(handle, call, ret_failure);
        call_done(call);
        return error;
}
