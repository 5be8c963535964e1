/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_whoami() and tokend_may(): what the policy says. Each result holds its JSON object, and its strings are those of the object. */
#include "gen/client/stubs.h"

struct owned_identity {
        struct tokend_identity identity; /* comes first */
        struct json_object *object;
        char *json;
};

void tokend_identity_free(struct tokend_identity *identity)
{
        struct owned_identity *owned = (struct owned_identity *)(void *)identity;

        if (!owned)
                return;
        free(owned->identity.groups);
        free(owned->identity.keys);
        free(owned->identity.rights);
        free(owned->json);
        json_object_put(owned->object);
        free(owned);
}

static const char **words_of(struct json_object *array, size_t *ret_n)
{
        size_t n = array ? json_object_array_length(array) : 0;
        const char **words = calloc(n + 1, sizeof(*words));

        for (size_t i = 0; words && i < n; i++)
                words[i] = json_object_get_string(json_object_array_get_idx(array, i));
        *ret_n = n;
        return words;
}

static int64_t *numbers_of(struct json_object *array, size_t *ret_n)
{
        size_t n = json_object_array_length(array);
        int64_t *numbers = calloc(n + 1, sizeof(*numbers));

        for (size_t i = 0; numbers && i < n; i++)
                numbers[i] = json_object_get_int64(json_object_array_get_idx(array, i));
        *ret_n = n;
        return numbers;
}

static void forget_identity(struct call *call)
{
        tokend_identity_free(TAKE_PTR(call->object));
}

static enum tokend_error take_identity(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct keys_who_am_i_result parts;
        struct owned_identity *owned;
        enum tokend_error error = keys_who_am_i_parse(parameters, &parts, ret_failure);

        if (error != TOKEND_OK)
                return error;
        owned = calloc(1, sizeof(*owned));
        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the reply");
        owned->object = json_object_get(parameters);
        owned->identity = (struct tokend_identity){.uid = parts.uid,
                .gid = parts.gid,
                .unit = parts.unit,
                .instance = parts.instance,
                .token = parts.token};
        owned->identity.groups = numbers_of(parts.groups, &owned->identity.n_groups);
        owned->identity.keys = words_of(parts.keys, &owned->identity.n_keys);
        owned->identity.rights = words_of(parts.rights, &owned->identity.n_rights);
        if (!owned->identity.groups || !owned->identity.keys || !owned->identity.rights ||
                json_print(parameters, &owned->json) < 0) {
                tokend_identity_free(&owned->identity);
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the reply");
        }
        owned->identity.json = owned->json;
        call->object = &owned->identity;
        return TOKEND_OK;
}

enum tokend_error tokend_whoami(struct tokend *handle, int timeout_ms, struct tokend_identity **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = keys_who_am_i_begin(&call, timeout_ms, ret_failure);

        return error == TOKEND_OK
                       ? call_finish(handle, &call, take_identity, forget_identity, ret, ret_failure)
                       : error;
}

/* ---- May ---- */

struct owned_permission {
        struct tokend_permission permission; /* comes first */
        struct json_object *object;
        char *json;
};

void tokend_permission_free(struct tokend_permission *permission)
{
        struct owned_permission *owned = (struct owned_permission *)(void *)permission;

        if (!owned)
                return;
        free(owned->json);
        json_object_put(owned->object);
        free(owned);
}

static void forget_permission(struct call *call)
{
        tokend_permission_free(TAKE_PTR(call->object));
}

static enum tokend_error take_permission(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct status_may_result parts;
        struct owned_permission *owned;
        enum tokend_error error = status_may_parse(parameters, &parts, ret_failure);

        if (error != TOKEND_OK)
                return error;
        owned = calloc(1, sizeof(*owned));
        if (!owned || json_print(parameters, &owned->json) < 0) {
                free(owned);
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the reply");
        }
        owned->object = json_object_get(parameters);
        owned->permission = (struct tokend_permission){.allowed = parts.allowed,
                .instance = parts.instance,
                .reason = parts.reason,
                .nearest = parts.nearest,
                .nearest_lacks = parts.nearest_lacks,
                .json = owned->json};
        call->object = &owned->permission;
        return TOKEND_OK;
}

enum tokend_error tokend_may(struct tokend *handle, const char *operation, const char *key,
        const struct tokend_whom *whom, int timeout_ms, struct tokend_permission **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        struct tokend_whom who;
        enum tokend_error error = structure_take(&who, sizeof(who), whom, "tokend_whom", ret_failure);

        if (error != TOKEND_OK)
                return error;
        error = status_may_begin(&call,
                &(struct status_may_arguments){.operation = operation,
                        .key = key,
                        .uid = who.uid,
                        .gid = who.gid,
                        .groups = {who.groups, who.n_groups},
                        .unit = who.unit},
                timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish(handle, &call, take_permission, forget_permission, ret, ret_failure)
                       : error;
}
