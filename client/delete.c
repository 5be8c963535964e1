/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_delete(). */
#include "gen/client/stubs.h"

enum tokend_error tokend_delete(
        struct tokend *handle, const char *key, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = keys_delete_begin(
                &call, &(struct keys_delete_arguments){.key = key}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_finish(handle, &call, NULL, NULL, ret_failure) : error;
}
