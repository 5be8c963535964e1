/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_sign(), tokend_sign_salted(), tokend_verify() and tokend_verify_with(). */
#include "gen/client/stubs.h"

/* Puts the bytes that are to be signed or verified into one of the two. */
static enum tokend_error take_input(enum tokend_input kind, const void *input, size_t length,
        struct call_bytes *ret_digest, struct call_bytes *ret_message, struct tokend_failure *ret_failure)
{
        struct call_bytes bytes = {input ? input : "", length};

        if ((kind != TOKEND_DIGEST && kind != TOKEND_MESSAGE) || (!input && length > 0))
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT, "expected a digest or a message");
        *(kind == TOKEND_DIGEST ? ret_digest : ret_message) = bytes;
        return TOKEND_OK;
}

/* ---- Sign ---- */

static enum tokend_error take_signature(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        /* Only one reply comes: if an earlier attempt took it, the call has ended. */
        return again ? TOKEND_OK : keys_sign_parse(parameters, userdata, ret_failure);
}

enum tokend_error tokend_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure)
{
        return tokend_sign_salted(
                handle, key, algorithm, kind, input, length, -1, timeout_ms, ret, ret_length, ret_failure);
}

enum tokend_error tokend_sign_salted(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int salt_length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct keys_sign_arguments arguments = {
                .key = key, .algorithm = algorithm, .salt_length = salt_length};
        struct keys_sign_result result = {0};
        struct call call;
        enum tokend_error error =
                take_input(kind, input, length, &arguments.digest, &arguments.message, ret_failure);

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

/* ---- Verify ---- */

static enum tokend_error take_valid(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        return again ? TOKEND_OK : keys_verify_parse(parameters, userdata, ret_failure);
}

/* arguments: with everything but the input. */
static enum tokend_error verify(struct tokend *handle, struct keys_verify_arguments *arguments,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure)
{
        struct keys_verify_result result;
        struct call call;
        enum tokend_error error =
                take_input(kind, input, length, &arguments->digest, &arguments->message, ret_failure);

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

void tokend_free(void *memory)
{
        free(memory);
}
