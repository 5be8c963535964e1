/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_verify() and tokend_verify_with(). */
#include "client/internal.h"
#include "proto/limits.h"

#define METHOD "io.tokend.Keys.Verify"

static const struct field valid_field[] = {
        {"valid", FIELD_BOOL, true, 0, 0, 0, 0},
};

static enum tokend_error take_valid(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        const char *bad = NULL;

        if (again || fields_parse(valid_field, 1, parameters, false, userdata, &bad) == 0)
                return TOKEND_OK;
        return fail_field(ret_failure, METHOD, bad);
}

/* call has the key, or the public key. */
static enum tokend_error verify(struct tokend *handle, struct call *call, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, const void *signature,
        size_t signature_length, bool *ret_valid, struct tokend_failure *ret_failure)
{
        bool valid = false;
        enum tokend_error error;

        call_add_string(call, "algorithm", algorithm);
        call_add_bytes(call, "signature", signature, signature_length);
        error = call_add_input(call, kind, input, length, ret_failure);
        call->take = take_valid;
        call->userdata = &valid;
        if (error == TOKEND_OK)
                error = call_run(handle, call, ret_failure);
        call_done(call);
        if (error == TOKEND_OK)
                *ret_valid = valid;
        return error;
}

enum tokend_error tokend_verify(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, const void *signature,
        size_t signature_length, int timeout_ms, bool *ret_valid, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "key", key);
        return verify(handle, &call, algorithm, kind, input, length, signature, signature_length, ret_valid,
                ret_failure);
}

enum tokend_error tokend_verify_with(struct tokend *handle, const void *public_key, size_t public_key_length,
        const char *algorithm, enum tokend_input kind, const void *input, size_t length,
        const void *signature, size_t signature_length, int timeout_ms, bool *ret_valid,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_bytes(&call, "publicKey", public_key, public_key_length);
        return verify(handle, &call, algorithm, kind, input, length, signature, signature_length, ret_valid,
                ret_failure);
}
