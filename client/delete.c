/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_delete(). */
#include "client/internal.h"
#include "proto/limits.h"

enum tokend_error tokend_delete(
        struct tokend *handle, const char *key, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(
                &call, "io.tokend.Keys.Delete", CALL_ONCE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "key", key);
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        return error;
}
