/* SPDX-License-Identifier: MPL-2.0 */
/* One call as it is asked: its parameters, and what is taken of its reply. exchange.c sends it. */
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

/* Before the second attempt; exchange.c has the rest. */
#define PAUSE_MIN_USEC 10000

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

static void drop_parameters(struct call *call)
{
        if (call->secret)
                json_wipe(call->parameters);
        json_object_put(call->parameters);
        call->parameters = NULL;
}

void call_done(struct call *call)
{
        drop_parameters(call);
        if (call->plan)
                call->plan_free(call->plan);
        call->plan = NULL;
}

void call_start(struct call *call)
{
        call->state = CALL_PAUSED;
        call->until = 0;
        call->pause = PAUSE_MIN_USEC;
}

void call_become(struct call *call, const struct call *next)
{
        drop_parameters(call);
        call->method = next->method;
        call->parameters = next->parameters;
        call->kind = next->kind;
        call->more = next->more;
        call->with_timeout = next->with_timeout;
        call->deadline = next->deadline;
        call->take = next->take;
        call->forget = next->forget;
        call_start(call);
}

/* Sets a member. The value is the object's then, or is released. false: no memory, which a value or object of NULL says, too. */
static bool put(struct json_object *object, const char *name, struct json_object *value)
{
        if (object && value && json_object_object_add(object, name, value) == 0)
                return true;
        json_object_put(value);
        return false;
}

/* If memory is short, the parameters become NULL, which is reported when the call runs. */
void call_add_object(struct call *call, const char *name, struct json_object *value)
{
        if (!put(call->parameters, name, value))
                drop_parameters(call);
}

void call_add_string(struct call *call, const char *name, const char *value)
{
        if (value)
                call_add_object(call, name, json_object_new_string(value));
}

void call_add_bytes(struct call *call, const char *name, struct call_bytes value)
{
        /* A longer one cannot be sent, and one that is cut here is refused then as well. */
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

/* ---- the reply ---- */

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

enum tokend_error call_take_bytes(struct call *call, enum tokend_error error, const struct field_bytes *bytes)
{
        if (error == TOKEND_OK) {
                call->object = bytes->data;
                call->length = bytes->length;
        }
        return error;
}

void call_forget_bytes(struct call *call)
{
        if (call->secret)
                wipe_free(call->object, call->length);
        else
                free(call->object);
        call->object = NULL;
}
