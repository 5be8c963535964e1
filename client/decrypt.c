/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_decrypt() and tokend_derive(): what they get is secret, and no copy of it stays here. */
#include "daemon/util/wipe.h"
#include "gen/client/stubs.h"

static enum tokend_error take_plaintext(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct keys_decrypt_result result = {0};
        enum tokend_error error = keys_decrypt_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.plaintext);
}

enum tokend_error tokend_decrypt(struct tokend *handle, const char *key, const char *algorithm,
        const void *ciphertext, size_t length, const void *label, size_t label_length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        const struct keys_decrypt_arguments arguments = {.key = key,
                .algorithm = algorithm,
                .ciphertext = {ciphertext, length},
                .label = {label_length > 0 ? label : NULL, label_length}};
        struct call call;
        enum tokend_error error = keys_decrypt_begin(&call, &arguments, timeout_ms, ret_failure);

        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_plaintext, ret, ret_length, ret_failure)
                       : error;
}

static enum tokend_error take_secret(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct keys_derive_result result = {0};
        enum tokend_error error = keys_derive_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.secret);
}

enum tokend_error tokend_derive(struct tokend *handle, const char *key, const void *public_key,
        size_t public_key_length, int timeout_ms, unsigned char **ret, size_t *ret_length,
        struct tokend_failure *ret_failure)
{
        const struct keys_derive_arguments arguments = {
                .key = key, .public_key = {public_key, public_key_length}};
        struct call call;
        enum tokend_error error = keys_derive_begin(&call, &arguments, timeout_ms, ret_failure);

        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_secret, ret, ret_length, ret_failure)
                       : error;
}

void tokend_secret_free(void *secret, size_t length)
{
        wipe_free(secret, length);
}
