/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The attempts of one call, the pauses between them, the one deadline for all of it, and the rule what may be sent again. A
 * request counts as sent when its last byte, the NUL, has left, because the daemon does not act on a message that has not
 * ended. If a connection is lost before that, any request can be sent again.
 *
 * Nothing here waits: call_step() goes as far as it can, and whoever runs the call (run.c) waits or comes back.
 */
#include <errno.h>
#include <string.h>

#include "client/internal.h"
#include "daemon/util/wipe.h"
#include "proto/json.h"
#include "proto/limits.h"

#define PAUSE_MAX_USEC 250000

/* ---- the request ---- */

/* The timeoutMs of the request: a little less than the time that is left, so that the daemon's reply arrives in time. */
static int64_t timeout_ms_left(const struct call *call)
{
        int64_t left = (call->deadline - clock_usec()) / 1000, margin = left / 10 < 100 ? left / 10 : 100;

        left -= margin;
        return left < 1 ? 1 : left > LIMIT_TIMEOUT_MS ? LIMIT_TIMEOUT_MS : left;
}

static bool put(struct json_object *object, const char *name, struct json_object *value)
{
        if (object && value && json_object_object_add(object, name, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

/* The request as text. -ENOMEM; -EBADMSG: an argument is not UTF-8. */
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

static void drop_request(struct call *call)
{
        if (call->text && call->secret)
                explicit_bzero(call->text, strlen(call->text));
        free(call->text);
        call->text = NULL;
}

static bool failed(struct call *call, enum tokend_error error, const char *text)
{
        call->error = fail(&call->failure, error, "%s", text);
        return true;
}

/* Each of the following goes on with the attempt. true: it has ended, as call->error says. */

static bool make_request(struct call *call)
{
        int r = build_request(call, &call->text);

        if (r == -ENOMEM)
                return failed(call, TOKEND_NO_MEMORY, "no memory for the request");
        if (r < 0)
                return failed(call, TOKEND_INVALID_ARGUMENT, "an argument is not UTF-8");
        call->rest = call->text;
        call->rest_length = strlen(call->text) + 1;
        if (call->rest_length > LIMIT_MESSAGE + 1) {
                call->error = fail(&call->failure, TOKEND_INVALID_ARGUMENT,
                        "the request has more than the %u bytes that the daemon accepts", LIMIT_MESSAGE);
                return true;
        }
        return false;
}

static bool open_connection(struct tokend *handle, struct call *call)
{
        int r = pool_new(handle, &call->connection);

        if (r == 0) {
                r = socket_connect(call->connection, handle->path);
                if (r == 0)
                        return false;
                pool_drop(handle, call->connection);
                call->connection = NULL;
        }
        call->error = fail(&call->failure, r == -ENOMEM ? TOKEND_NO_MEMORY : TOKEND_CANNOT_CONNECT, "%s: %s",
                handle->path, strerror(-r));
        call->again = r == -EAGAIN || r == -EINTR ||
                      ((r == -ENOENT || r == -ECONNREFUSED) && !(handle->flags & TOKEND_NO_WAIT));
        return true;
}

static bool begin(struct tokend *handle, struct call *call)
{
        if (call->forget)
                call->forget(call);
        call->error = TOKEND_OK;
        call->again = call->sent = false;
        call->retry_ms = 0;
        call->total = 0;
        call->connection = pool_take(handle);
        if ((!call->connection && open_connection(handle, call)) || make_request(call))
                return true;
        call->state = CALL_SENDING;
        call->until = call->deadline;
        return false;
}

/* *ret_wait: the socket takes no more now. */
static bool send_some(struct call *call, bool *ret_wait)
{
        int r = socket_send(call->connection, &call->rest, &call->rest_length);

        if (r == -EAGAIN) {
                *ret_wait = true;
                return clock_usec() >= call->until &&
                       failed(call, TOKEND_TIMED_OUT, "the daemon did not accept the request in time");
        }
        if (r < 0) {
                call->again = true;
                return failed(call, TOKEND_CANNOT_CONNECT, "the daemon closed the connection");
        }
        drop_request(call);
        call->sent = true;
        call->state = CALL_RECEIVING;
        call->waited = false;
        return false;
}

/* ---- the reply ---- */

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

/* Takes one message. true: it was the last one. */
static bool take_reply(struct call *call, const char *text, size_t length)
{
        _cleanup_(json_putp) struct json_object *object = NULL;
        struct reply reply = {0};
        struct field_fault fault = {.name = "not JSON"};
        int r = json_parse(text, length, &object);

        if (r == 0)
                r = fields_parse(reply_fields, ARRAY_SIZE(reply_fields), object, false, &reply, &fault);
        if (r == -ENOMEM)
                call->error = fail(&call->failure, TOKEND_NO_MEMORY, "no memory for the reply");
        else if (r != 0)
                call->error = fail_field(&call->failure, call->method, fault.name);
        else if (reply.error)
                call->error = fail_reply(&call->failure, reply.error, reply.parameters, &call->retry_ms);
        else if (reply.continues && !call->more)
                call->error = fail_field(&call->failure, call->method, "continues");
        else
                call->error = call->take ? call->take(call, reply.parameters, &call->failure) : TOKEND_OK;
        if (call->secret)
                json_wipe(object);
        call->again = call->error == TOKEND_OVERLOADED;
        return call->error != TOKEND_OK || !reply.continues;
}

static bool receive_failed(struct call *call, int r)
{
        if (r == -EMSGSIZE) {
                call->error = fail(&call->failure, TOKEND_PROTOCOL_VIOLATION,
                        "a reply has more than %u bytes", REPLY_MAX);
                return true;
        }
        if (r == -ENOMEM)
                return failed(call, TOKEND_NO_MEMORY, "no memory for the reply");
        call->again = call->gap_ms == 0;
        return failed(call, TOKEND_CANNOT_CONNECT, "the daemon closed the connection before it answered");
}

static bool take_next(struct call *call, char *text, size_t length)
{
        bool last = take_reply(call, text, length);

        if (call->secret)
                explicit_bzero(text, length);
        if (last || call->given_up)
                return true;
        call->total += length;
        if (call->gap_ms > 0) {
                call->until = clock_usec() + (int64_t)call->gap_ms * 1000;
        } else if (call->total > REPLIES_MAX) {
                call->error = fail(&call->failure, TOKEND_PROTOCOL_VIOLATION,
                        "the replies have more than %u bytes in all", REPLIES_MAX);
                return true;
        }
        return false;
}

/* *ret_wait: nothing has come yet. */
static bool receive_some(struct call *call, bool *ret_wait)
{
        char *text;
        size_t length;
        int r = frame_next(&call->connection->frame, &text, &length);

        if (r < 0)
                return receive_failed(call, r);
        if (r > 0)
                return take_next(call, text, length);
        /* A reply takes some time: to wait first saves a system call. */
        if (call->waited) {
                r = socket_read(call->connection);
                if (r == 0)
                        call->waited = false;
                if (r != -EAGAIN)
                        return r < 0 && receive_failed(call, r);
                if (clock_usec() >= call->until)
                        return failed(call, TOKEND_TIMED_OUT, "the daemon did not answer in time");
        }
        *ret_wait = call->waited = true;
        return false;
}

/* ---- attempts ---- */

/* Only after a whole reply is it known where the next one begins. */
static void leave_connection(struct tokend *handle, struct call *call)
{
        drop_request(call);
        if (!call->connection)
                return;
        if (!call->given_up &&
                (call->error == TOKEND_OK || (call->error < TOKEND_CANNOT_CONNECT && !call->gap_ms)))
                pool_give_back(handle, call->connection);
        else
                pool_drop(handle, call->connection);
        call->connection = NULL;
}

/* Whether the daemon may have done what it was asked, without a reply that says so. */
static bool is_unknown(const struct call *call)
{
        return call->kind == CALL_ONCE && call->sent &&
               (call->error == TOKEND_CANNOT_CONNECT || call->error == TOKEND_TIMED_OUT ||
                       call->error == TOKEND_PROTOCOL_VIOLATION || call->error == TOKEND_NO_MEMORY);
}

/* false: there is no next attempt. */
static bool plan_next_attempt(struct call *call)
{
        int64_t next = clock_usec();

        if (!call->again)
                return false;
        if (call->error == TOKEND_OVERLOADED) {
                int64_t ms = call->retry_ms < 1                  ? 1
                             : call->retry_ms > LIMIT_TIMEOUT_MS ? LIMIT_TIMEOUT_MS
                                                                 : call->retry_ms;

                next += ms * 1000;
        } else {
                next += call->pause;
                call->pause = call->pause * 2 < PAUSE_MAX_USEC ? call->pause * 2 : PAUSE_MAX_USEC;
        }
        if (next >= call->deadline)
                return false;
        call->state = CALL_PAUSED;
        call->until = next;
        return true;
}

/* true: the attempt has ended. */
static bool step_attempt(struct tokend *handle, struct call *call, bool *ret_wait)
{
        switch (call->state) {
        case CALL_PAUSED:
                *ret_wait = call->until > 0 && clock_usec() < call->until;
                return !*ret_wait && begin(handle, call);
        case CALL_SENDING:
                return send_some(call, ret_wait);
        default:
                return receive_some(call, ret_wait);
        }
}

bool call_step(struct tokend *handle, struct call *call)
{
        for (;;) {
                bool wait = false;

                if (!step_attempt(handle, call, &wait)) {
                        if (wait)
                                return false;
                        continue;
                }
                leave_connection(handle, call);
                if (call->given_up)
                        return true;
                if (is_unknown(call)) {
                        struct tokend_failure lost = call->failure;

                        call->error = fail(&call->failure, TOKEND_OUTCOME_UNKNOWN,
                                "it is unknown whether %s was done: %s", call->method, lost.text);
                } else if (plan_next_attempt(call)) {
                        continue;
                }
                if (!call->then || !call->then(call))
                        return true;
        }
}

void call_abandon(struct tokend *handle, struct call *call)
{
        drop_request(call);
        if (call->connection)
                pool_drop(handle, call->connection);
        call->connection = NULL;
        if (call->forget)
                call->forget(call);
        call_done(call);
}
