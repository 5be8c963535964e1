/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_list(): asks with `more`, and gathers. */
#include "client/internal.h"
#include "proto/limits.h"

#define METHOD "io.tokend.Keys.List"

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
        struct json_object *array = NULL;
        struct tokend_key **room;
        size_t n;

        if (again) {
                clear(keys);
                return TOKEND_OK;
        }
        if (!json_object_object_get_ex(parameters, "keys", &array) ||
                !json_object_is_type(array, json_type_array))
                return fail_field(ret_failure, METHOD, "keys");
        n = json_object_array_length(array);
        if (n == 0)
                return TOKEND_OK;
        room = reallocarray(keys->keys, keys->n_keys + n, sizeof(*room));
        if (!room)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the keys");
        keys->keys = room;
        for (size_t i = 0; i < n; i++) {
                struct json_object *object = json_object_array_get_idx(array, i);
                enum tokend_error error;

                if (!json_object_is_type(object, json_type_object))
                        return fail_field(ret_failure, METHOD, "keys");
                error = key_new(object, &keys->keys[keys->n_keys], ret_failure);
                if (error != TOKEND_OK)
                        return error;
                keys->n_keys++;
        }
        return TOKEND_OK;
}

enum tokend_error tokend_list(struct tokend *handle, const char *token, const char *nickname, int timeout_ms,
        struct tokend_keys **ret, struct tokend_failure *ret_failure)
{
        struct tokend_keys *keys;
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        keys = calloc(1, sizeof(*keys));
        call_add_string(&call, "token", token);
        call_add_string(&call, "nickname", nickname);
        call.more = true;
        call.take = take_keys;
        call.userdata = keys;
        error = keys ? call_run(handle, &call, ret_failure)
                     : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the keys");
        call_done(&call);
        if (error == TOKEND_OK)
                *ret = keys;
        else
                tokend_keys_free(keys);
        return error;
}
