/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_get(). */
#include "client/internal.h"
#include "proto/limits.h"

enum tokend_error tokend_get(struct tokend *handle, const char *name, int timeout_ms, struct tokend_key **ret,
        struct tokend_failure *ret_failure)
{
        struct tokend_key *key = NULL;
        struct call call;
        enum tokend_error error = call_init(
                &call, "io.tokend.Keys.Get", CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "key", name);
        call.take = key_take;
        call.userdata = &key;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        if (error == TOKEND_OK)
                *ret = key;
        else
                tokend_key_free(key);
        return error;
}
