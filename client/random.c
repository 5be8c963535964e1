/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_random(): in turns of what the daemon gives at once, under one deadline. */
#include <string.h>

#include "client/internal.h"
#include "proto/limits.h"

#define METHOD "io.tokend.Keys.Random"

struct target {
        unsigned char *buffer;
        size_t length; /* of this turn */
};

static const struct field bytes_field[] = {
        {"bytes", FIELD_BYTES, true, 0, 1, LIMIT_RANDOM, 0},
};

static enum tokend_error take_bytes(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct target *target = userdata;
        struct field_bytes bytes;
        const char *bad = "bytes";
        int r;

        if (again)
                return TOKEND_OK;
        r = fields_parse(bytes_field, 1, parameters, false, &bytes, &bad);
        if (r < 0)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for random bytes");
        if (r == 0 && bytes.length == target->length)
                memcpy(target->buffer, bytes.data, bytes.length);
        else
                r = 1;
        if (bytes.data)
                explicit_bzero(bytes.data, bytes.length);
        fields_done(bytes_field, 1, &bytes);
        return r > 0 ? fail_field(ret_failure, METHOD, bad) : TOKEND_OK;
}

enum tokend_error tokend_random(struct tokend *handle, void *buffer, size_t length, int timeout_ms,
        struct tokend_failure *ret_failure)
{
        struct target target = {.buffer = buffer};
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error == TOKEND_OK && length == 0)
                error = fail(ret_failure, TOKEND_INVALID_ARGUMENT, "no bytes were asked for");
        call.take = take_bytes;
        call.userdata = &target;
        while (error == TOKEND_OK && length > 0) {
                target.length = length < LIMIT_RANDOM ? length : LIMIT_RANDOM;
                call_add_int(&call, "length", (int64_t)target.length);
                error = call_run(handle, &call, ret_failure);
                target.buffer += target.length;
                length -= target.length;
        }
        call_done(&call);
        return error;
}
