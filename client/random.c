/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_random(): several calls of Random under one deadline, because one call gives LIMIT_RANDOM bytes at most. */
#include <string.h>

#include "gen/client/stubs.h"
#include "proto/limits.h"

/* What is still to come. */
struct supply {
        unsigned char *next;
        size_t left;
        size_t asked; /* of this call */
};

static enum tokend_error take_bytes(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        const struct supply *supply = call->plan;
        struct keys_random_result result;
        enum tokend_error error = keys_random_parse(parameters, &result, ret_failure);

        if (error != TOKEND_OK)
                return error;
        if (result.bytes.length == supply->asked)
                memcpy(supply->next, result.bytes.data, result.bytes.length);
        else
                error = fail_field(ret_failure, "io.tokend.Keys.Random", "bytes");
        explicit_bzero(result.bytes.data, result.bytes.length);
        free(result.bytes.data);
        return error;
}

static enum tokend_error ask(
        struct call *call, struct supply *supply, int timeout_ms, struct tokend_failure *ret_failure)
{
        enum tokend_error error;

        supply->asked = supply->left < LIMIT_RANDOM ? supply->left : LIMIT_RANDOM;
        error = keys_random_begin(call, &(struct keys_random_arguments){.length = (int64_t)supply->asked},
                timeout_ms, ret_failure);
        call->take = take_bytes;
        return error;
}

static bool ask_for_more(struct call *call)
{
        struct supply *supply = call->plan;
        struct call next;

        if (call->error != TOKEND_OK)
                return false;
        supply->next += supply->asked;
        supply->left -= supply->asked;
        if (supply->left == 0)
                return false;
        call->error = ask(&next, supply, 0, &call->failure);
        if (call->error != TOKEND_OK)
                return false;
        next.deadline = call->deadline;
        call_become(call, &next);
        return true;
}

enum tokend_error tokend_random(struct tokend *handle, void *buffer, size_t length, int timeout_ms,
        struct tokend_failure *ret_failure)
{
        struct supply *supply;
        struct call call;
        enum tokend_error error;

        if (length == 0)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "expected a number of bytes, not 0");
        supply = malloc(sizeof(*supply));
        if (!supply)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for random bytes");
        *supply = (struct supply){.next = buffer, .left = length};
        error = ask(&call, supply, timeout_ms, ret_failure);
        if (error != TOKEND_OK) {
                free(supply);
                return error;
        }
        call.plan = supply;
        call.plan_free = free;
        call.then = ask_for_more;
        return call_run(handle, &call, ret_failure);
}
