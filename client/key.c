/* SPDX-License-Identifier: MPL-2.0 */
/* Keys as the daemon describes them. A key holds its JSON object, and its strings are that object's. */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "gen/client/stubs.h"

/* key comes first: the one is the other's address. Its strings are those of parts, which are the object's. */
struct owned_key {
        struct tokend_key key;
        struct keys_key_result parts;
        struct json_object *object;
};

_Static_assert((unsigned)TOKEND_USAGE_SIGN == USAGE_SIGN && (unsigned)TOKEND_USAGE_DECRYPT == USAGE_DECRYPT &&
                       (unsigned)TOKEND_USAGE_UNWRAP == USAGE_UNWRAP &&
                       (unsigned)TOKEND_USAGE_DERIVE == USAGE_DERIVE,
        "the public numbers are those of the table");

/* Names that a later daemon may send are left out. */
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
                owned->key.json = json_object_to_json_string_ext(
                        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
                if (!owned->key.json)
                        error = fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a key");
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
        free(owned);
}

enum tokend_error key_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct tokend_key **key = userdata;
        struct keys_get_result result;
        enum tokend_error error;

        tokend_key_free(*key);
        *key = NULL;
        if (again)
                return TOKEND_OK;
        error = keys_get_parse(parameters, &result, ret_failure);
        return error == TOKEND_OK ? key_new(result.key, key, ret_failure) : error;
}
