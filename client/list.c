/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_list(): asks with `more`, and gathers. */
#include "gen/client/stubs.h"

static void clear(struct tokend_keys *keys)
{
        for (size_t i = 0; i < keys->n_keys; i++)
                tokend_key_free(keys->keys[i]);
        free(keys->keys);
        *keys = (struct tokend_keys){0};
}

void tokend_keys_free(struct tokend_keys *keys)
{
        if (keys)
                clear(keys);
        free(keys);
}

static enum tokend_error take_keys(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct tokend_keys *keys = userdata;
        struct keys_list_result result;
        struct tokend_key **room;
        enum tokend_error error;
        size_t n;

        if (again) {
                clear(keys);
                return TOKEND_OK;
        }
        error = keys_list_parse(parameters, &result, ret_failure);
        if (error != TOKEND_OK)
                return error;
        n = json_object_array_length(result.keys);
        if (n == 0)
                return TOKEND_OK;
        room = reallocarray(keys->keys, keys->n_keys + n, sizeof(*room));
        if (!room)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the keys");
        keys->keys = room;
        for (size_t i = 0; i < n; i++) {
                error = key_new(
                        json_object_array_get_idx(result.keys, i), &keys->keys[keys->n_keys], ret_failure);
                if (error != TOKEND_OK)
                        return error;
                keys->n_keys++;
        }
        return TOKEND_OK;
}

enum tokend_error tokend_list(struct tokend *handle, const char *token, const char *nickname, int timeout_ms,
        struct tokend_keys **ret, struct tokend_failure *ret_failure)
{
        struct tokend_keys *keys = calloc(1, sizeof(*keys));
        struct call call;
        enum tokend_error error;

        if (!keys)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the keys");
        error = keys_list_begin(&call, &(struct keys_list_arguments){.token = token, .nickname = nickname},
                timeout_ms, ret_failure);
        if (error == TOKEND_OK) {
                call.more = true;
                error = call_finish(handle, &call, take_keys, keys, ret_failure);
        }
        if (error == TOKEND_OK)
                *ret = keys;
        else
                tokend_keys_free(keys);
        return error;
}
