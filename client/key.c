/* SPDX-License-Identifier: MPL-2.0 */
/* Keys as the daemon describes them: tokend_get(), tokend_list(), tokend_delete() and tokend_rename(). A key holds its JSON object, and its
 * strings are those of the object. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "gen/client/stubs.h"

/* key comes first, so that its address is also that of the whole. Its strings are those of parts, which are those of object. */
struct owned_key {
        struct tokend_key key;
        struct keys_key_result parts;
        struct json_object *object;
        char *json;
};

_Static_assert((unsigned)TOKEND_USAGE_SIGN == USAGE_SIGN && (unsigned)TOKEND_USAGE_DECRYPT == USAGE_DECRYPT &&
                       (unsigned)TOKEND_USAGE_UNWRAP == USAGE_UNWRAP &&
                       (unsigned)TOKEND_USAGE_DERIVE == USAGE_DERIVE,
        "the numbers of tokend.h are those of daemon/util/algorithm.h");

/* A name that this library does not know is left out: a later daemon may send it. */
static unsigned usage_of(struct json_object *names)
{
        unsigned usage = 0;

        for (size_t i = 0; i < json_object_array_length(names); i++)
                usage |= usage_from_name(json_object_get_string(json_object_array_get_idx(names, i)));
        return usage;
}

static void fill(struct tokend_key *key, const struct keys_key_result *parts)
{
        key->token = parts->token;
        key->nickname = parts->nickname;
        key->id = parts->id;
        key->type = parts->type;
        key->size = (int)parts->size;
        key->curve = parts->curve;
        key->public_key = parts->public_key.data;
        key->public_key_length = parts->public_key.length;
        key->usage = usage_of(parts->usage);
        key->sensitive = parts->sensitive;
        key->extractable = parts->extractable;
        key->never_extractable = parts->never_extractable;
        key->local = parts->local;
        key->has_certificate = parts->has_certificate;
        key->accelerated_by = parts->accelerated_by;
}

enum tokend_error key_new(
        struct json_object *object, struct tokend_key **ret, struct tokend_failure *ret_failure)
{
        struct owned_key *owned = calloc(1, sizeof(*owned));
        enum tokend_error error;

        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a key");
        error = keys_key_parse(object, &owned->parts, ret_failure);
        if (error == TOKEND_OK) {
                owned->object = json_object_get(object);
                fill(&owned->key, &owned->parts);
                if (json_print(object, &owned->json) < 0)
                        error = fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a key");
                owned->key.json = owned->json;
        }
        if (error == TOKEND_OK)
                *ret = &owned->key;
        else
                tokend_key_free(&owned->key);
        return error;
}

void tokend_key_free(struct tokend_key *key)
{
        struct owned_key *owned = (struct owned_key *)(void *)key;

        if (!owned)
                return;
        free(owned->parts.public_key.data);
        json_object_put(owned->object);
        free(owned->json);
        free(owned);
}

enum tokend_error key_take(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct tokend_key *key = NULL;
        struct keys_get_result result;
        enum tokend_error error = keys_get_parse(parameters, &result, ret_failure);

        if (error == TOKEND_OK)
                error = key_new(result.key, &key, ret_failure);
        call->object = key;
        return error;
}

void key_forget(struct call *call)
{
        tokend_key_free(TAKE_PTR(call->object));
}

enum tokend_error tokend_get(struct tokend *handle, const char *name, int timeout_ms, struct tokend_key **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error =
                keys_get_begin(&call, &(struct keys_get_arguments){.key = name}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_finish(handle, &call, key_take, key_forget, ret, ret_failure)
                                  : error;
}

/* ---- List ---- */

/* keys comes first, so that its address is also that of the whole. */
struct owned_keys {
        struct tokend_keys keys;
        struct tokend_list_end end;
};

void tokend_keys_free(struct tokend_keys *keys)
{
        struct owned_keys *owned = (struct owned_keys *)(void *)keys;

        if (!owned)
                return;
        for (size_t i = 0; i < keys->n_keys; i++)
                tokend_key_free(keys->keys[i]);
        free(keys->keys);
        list_end_done(&owned->end);
        free(owned);
}

static void forget_keys(struct call *call)
{
        tokend_keys_free(TAKE_PTR(call->object));
}

static struct owned_keys *keys_of(struct call *call)
{
        struct owned_keys *owned = call->object ? call->object : calloc(1, sizeof(*owned));

        if (owned)
                owned->keys.end = &owned->end;
        call->object = owned;
        return owned;
}

static enum tokend_error take_keys(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct owned_keys *owned = keys_of(call);
        struct keys_list_result result;
        struct tokend_key **room;
        enum tokend_error error = owned ? keys_list_parse(parameters, &result, ret_failure)
                                        : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the keys");
        struct tokend_keys *keys;
        size_t n;

        if (error != TOKEND_OK)
                return error;
        keys = &owned->keys;
        error = list_end_take(&owned->end, result.state, result.unchanged, result.unavailable, ret_failure);
        n = json_object_array_length(result.keys);
        if (error != TOKEND_OK || n == 0)
                return error;
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

enum tokend_error keys_begin(struct call *call, const char *token, const char *nickname, const char *since,
        int timeout_ms, struct tokend_failure *ret_failure)
{
        enum tokend_error error = keys_list_begin(call,
                &(struct keys_list_arguments){.token = token, .nickname = nickname, .since = since},
                timeout_ms, ret_failure);

        call->more = true;
        call->take = take_keys;
        call->forget = forget_keys;
        return error;
}

enum tokend_error tokend_list(struct tokend *handle, const char *token, const char *nickname, int timeout_ms,
        struct tokend_keys **ret, struct tokend_failure *ret_failure)
{
        return tokend_list_since(handle, token, nickname, NULL, timeout_ms, ret, ret_failure);
}

enum tokend_error tokend_list_since(struct tokend *handle, const char *token, const char *nickname,
        const char *since, int timeout_ms, struct tokend_keys **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = keys_begin(&call, token, nickname, since, timeout_ms, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.ret = ret;
        return call_run(handle, &call, ret_failure);
}

/* ---- Delete ---- */

enum tokend_error tokend_delete(
        struct tokend *handle, const char *key, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = keys_delete_begin(
                &call, &(struct keys_delete_arguments){.key = key}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_run(handle, &call, ret_failure) : error;
}

/* ---- Rename ---- */

enum tokend_error tokend_rename(struct tokend *handle, const char *key, const char *nickname, int timeout_ms,
        struct tokend_key **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = keys_rename_begin(&call,
                &(struct keys_rename_arguments){.key = key, .nickname = nickname}, timeout_ms, ret_failure);

        /* Its reply is that of a Get. */
        return error == TOKEND_OK ? call_finish(handle, &call, key_take, key_forget, ret, ret_failure)
                                  : error;
}
