/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_verify() and tokend_verify_with(). */
#include "gen/client/stubs.h"

static enum tokend_error take_valid(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        return again ? TOKEND_OK : keys_verify_parse(parameters, userdata, ret_failure);
}

/* arguments: all but the input. */
static enum tokend_error verify(struct tokend *handle, struct keys_verify_arguments *arguments,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure)
{
        struct keys_verify_result result;
        struct call call;
        enum tokend_error error =
                call_input(kind, input, length, &arguments->digest, &arguments->message, ret_failure);

        if (error == TOKEND_OK)
                error = keys_verify_begin(&call, arguments, timeout_ms, ret_failure);
        if (error == TOKEND_OK)
                error = call_finish(handle, &call, take_valid, &result, ret_failure);
        if (error == TOKEND_OK)
                *ret_valid = result.valid;
        return error;
}

enum tokend_error tokend_verify(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, const void *signature,
        size_t signature_length, int timeout_ms, bool *ret_valid, struct tokend_failure *ret_failure)
{
        struct keys_verify_arguments arguments = {
                .key = key, .algorithm = algorithm, .signature = {signature, signature_length}};

        return verify(handle, &arguments, kind, input, length, timeout_ms, ret_valid, ret_failure);
}

enum tokend_error tokend_verify_with(struct tokend *handle, const void *public_key, size_t public_key_length,
        const char *algorithm, enum tokend_input kind, const void *input, size_t length,
        const void *signature, size_t signature_length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure)
{
        struct keys_verify_arguments arguments = {
                .public_key = {public_key ? public_key : "", public_key_length},
                .algorithm = algorithm,
                .signature = {signature, signature_length},
        };

        return verify(handle, &arguments, kind, input, length, timeout_ms, ret_valid, ret_failure);
}
