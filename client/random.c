/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_random(): several calls of Random under one deadline, because one call gives LIMIT_RANDOM bytes at most. */
#include <string.h>

#include "gen/client/stubs.h"
#include "proto/limits.h"

struct target {
        unsigned char *buffer;
        size_t length; /* of this call */
};

static enum tokend_error take_bytes(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct target *target = userdata;
        struct keys_random_result result;
        enum tokend_error error = again ? TOKEND_OK : keys_random_parse(parameters, &result, ret_failure);

        if (again || error != TOKEND_OK)
                return error;
        if (result.bytes.length == target->length)
                memcpy(target->buffer, result.bytes.data, result.bytes.length);
        else
                error = fail_field(ret_failure, "io.tokend.Keys.Random", "bytes");
        explicit_bzero(result.bytes.data, result.bytes.length);
        free(result.bytes.data);
        return error;
}

enum tokend_error tokend_random(struct tokend *handle, void *buffer, size_t length, int timeout_ms,
        struct tokend_failure *ret_failure)
{
        struct target target = {.buffer = buffer};
        enum tokend_error error = TOKEND_OK;
        int64_t deadline = 0; /* of the first call, and so of all */

        if (length == 0)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "expected a number of bytes, not 0");
        while (error == TOKEND_OK && length > 0) {
                struct call call;

                target.length = length < LIMIT_RANDOM ? length : LIMIT_RANDOM;
                error = keys_random_begin(&call,
                        &(struct keys_random_arguments){.length = (int64_t)target.length}, timeout_ms,
                        ret_failure);
                if (error != TOKEND_OK)
                        break;
                if (deadline == 0)
                        deadline = call.deadline;
                call.deadline = deadline;
                error = call_finish(handle, &call, take_bytes, &target, ret_failure);
                target.buffer += target.length;
                length -= target.length;
        }
        return error;
}
