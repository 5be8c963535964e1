/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_sign(). */
#include "client/internal.h"
#include "proto/limits.h"

#define METHOD "io.tokend.Keys.Sign"

static const struct field signature_field[] = {
        {"signature", FIELD_BYTES, true, 0, 1, LIMIT_SIGNATURE, 0},
};

static enum tokend_error take_signature(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        const char *bad = NULL;
        int r;

        /* Only one reply comes: what an earlier attempt took was taken whole, and ended the call. */
        if (again)
                return TOKEND_OK;
        r = fields_parse(signature_field, 1, parameters, false, userdata, &bad);
        if (r < 0)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the signature");
        return r > 0 ? fail_field(ret_failure, METHOD, bad) : TOKEND_OK;
}

enum tokend_error tokend_sign(struct tokend *handle, const char *key, const char *algorithm,
        enum tokend_input kind, const void *input, size_t length, int timeout_ms, unsigned char **ret,
        size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct field_bytes signature = {0};
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "key", key);
        call_add_string(&call, "algorithm", algorithm);
        error = call_add_input(&call, kind, input, length, ret_failure);
        call.with_timeout = true;
        call.take = take_signature;
        call.userdata = &signature;
        if (error == TOKEND_OK)
                error = call_run(handle, &call, ret_failure);
        call_done(&call);
        if (error != TOKEND_OK)
                return error;
        *ret = signature.data;
        *ret_length = signature.length;
        return TOKEND_OK;
}

void tokend_free(void *memory)
{
        free(memory);
}
