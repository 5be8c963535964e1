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
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct keys_sign_result result = {0};
        enum tokend_error error = keys_sign_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.signature);
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
        struct call call;
        enum tokend_error error =
                take_input(kind, input, length, &arguments.digest, &arguments.message, ret_failure);

        if (error == TOKEND_OK)
                error = keys_sign_begin(&call, &arguments, timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_signature, ret, ret_length, ret_failure)
                       : error;
}

/* ---- Verify ---- */

static enum tokend_error take_valid(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct keys_verify_result result;
        enum tokend_error error = keys_verify_parse(parameters, &result, ret_failure);

        if (error == TOKEND_OK)
                *(bool *)call->ret = result.valid;
        return error;
}

/* arguments: with everything but the input. */
static enum tokend_error verify(struct tokend *handle, struct keys_verify_arguments *arguments,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error =
                take_input(kind, input, length, &arguments->digest, &arguments->message, ret_failure);

        if (error == TOKEND_OK)
                error = keys_verify_begin(&call, arguments, timeout_ms, ret_failure);
        return error == TOKEND_OK ? call_finish(handle, &call, take_valid, NULL, ret_valid, ret_failure)
                                  : error;
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
