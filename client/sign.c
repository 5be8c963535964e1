/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_sign(). */
#include "gen/client/stubs.h"

static enum tokend_error take_signature(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        /* Only one reply comes: what an earlier attempt took was taken whole, and ended the call. */
        return again ? TOKEND_OK : keys_sign_parse(parameters, userdata, ret_failure);
}

enum tokend_error tokend_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct keys_sign_arguments arguments = {.key = key, .algorithm = algorithm};
        struct keys_sign_result result = {0};
        struct call call;
        enum tokend_error error =
                call_input(kind, input, length, &arguments.digest, &arguments.message, ret_failure);

        if (error == TOKEND_OK)
                error = keys_sign_begin(&call, &arguments, timeout_ms, ret_failure);
        if (error == TOKEND_OK)
                error = call_finish(handle, &call, take_signature, &result, ret_failure);
        if (error != TOKEND_OK)
                return error;
        *ret = result.signature.data;
        *ret_length = result.signature.length;
        return TOKEND_OK;
}

void tokend_free(void *memory)
{
        free(memory);
}
