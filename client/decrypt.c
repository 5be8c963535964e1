/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_decrypt() and tokend_derive(): what they get is secret, and no copy of it stays here. */
#include "daemon/util/wipe.h"
#include "gen/client/stubs.h"

static enum tokend_error take_plaintext(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        /* Only one reply comes: if an earlier attempt took it, the call has ended. */
        return again ? TOKEND_OK : keys_decrypt_parse(parameters, userdata, ret_failure);
}

enum tokend_error tokend_decrypt(struct tokend *handle, const char *key, const char *algorithm,
        const void *ciphertext, size_t length, const void *label, size_t label_length, int timeout_ms,
        unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        const struct keys_decrypt_arguments arguments = {.key = key,
                .algorithm = algorithm,
                .ciphertext = {ciphertext, length},
                .label = {label_length > 0 ? label : NULL, label_length}};
        struct keys_decrypt_result result = {0};
        struct call call;
        enum tokend_error error = keys_decrypt_begin(&call, &arguments, timeout_ms, ret_failure);

        if (error == TOKEND_OK)
                error = call_finish(handle, &call, take_plaintext, &result, ret_failure);
        if (error != TOKEND_OK)
                return error;
        *ret = result.plaintext.data;
        *ret_length = result.plaintext.length;
        return TOKEND_OK;
}

static enum tokend_error take_secret(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        return again ? TOKEND_OK : keys_derive_parse(parameters, userdata, ret_failure);
}

enum tokend_error tokend_derive(struct tokend *handle, const char *key, const void *public_key,
        size_t public_key_length, int timeout_ms, unsigned char **ret, size_t *ret_length,
        struct tokend_failure *ret_failure)
{
        const struct keys_derive_arguments arguments = {
                .key = key, .public_key = {public_key, public_key_length}};
        struct keys_derive_result result = {0};
        struct call call;
        enum tokend_error error = keys_derive_begin(&call, &arguments, timeout_ms, ret_failure);

        if (error == TOKEND_OK)
                error = call_finish(handle, &call, take_secret, &result, ret_failure);
        if (error != TOKEND_OK)
                return error;
        *ret = result.secret.data;
        *ret_length = result.secret.length;
        return TOKEND_OK;
}

void tokend_secret_free(void *secret, size_t length)
{
        wipe_free(secret, length);
}
