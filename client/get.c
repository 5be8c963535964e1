/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_get(). */
#include "gen/client/stubs.h"

enum tokend_error tokend_get(struct tokend *handle, const char *name, int timeout_ms, struct tokend_key **ret,
        struct tokend_failure *ret_failure)
{
        struct tokend_key *key = NULL;
        struct call call;
        enum tokend_error error =
                keys_get_begin(&call, &(struct keys_get_arguments){.key = name}, timeout_ms, ret_failure);

        if (error == TOKEND_OK)
                error = call_finish(handle, &call, key_take, &key, ret_failure);
        if (error == TOKEND_OK)
                *ret = key;
        else
                tokend_key_free(key);
        return error;
}
