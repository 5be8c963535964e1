/* SPDX-License-Identifier: MPL-2.0 */
/* Keys as the daemon describes them. A key holds its JSON object, and its strings are that object's. */
#include <errno.h>
#include <string.h>

#include "client/internal.h"
#include "daemon/util/algorithm.h"

/* key comes first: the one is the other's address. */
struct owned_key {
        struct tokend_key key;
        struct field_bytes public_key;
        struct json_object *usage;
        struct json_object *object;
};

#define AT(member) offsetof(struct owned_key, member)
static const struct field key_fields[] = {
        {"token", FIELD_STRING, true, AT(key.token), 0, 0, 0},
        {"nickname", FIELD_STRING, true, AT(key.nickname), 0, 0, 0},
        {"id", FIELD_STRING, true, AT(key.id), 0, 0, 0},
        {"type", FIELD_STRING, true, AT(key.type), 1, 0, 0},
        {"size", FIELD_INT, true, AT(key.size), 0, INT32_MAX, 0},
        {"curve", FIELD_STRING, false, AT(key.curve), 1, 0, 0},
        {"publicKey", FIELD_BYTES, true, AT(public_key), 0, 0, 0},
        {"usage", FIELD_STRINGS, true, AT(usage), 0, 0, 0},
        {"sensitive", FIELD_BOOL, true, AT(key.sensitive), 0, 0, 0},
        {"extractable", FIELD_BOOL, true, AT(key.extractable), 0, 0, 0},
        {"neverExtractable", FIELD_BOOL, true, AT(key.never_extractable), 0, 0, 0},
        {"local", FIELD_BOOL, true, AT(key.local), 0, 0, 0},
        {"hasCertificate", FIELD_BOOL, true, AT(key.has_certificate), 0, 0, 0},
        {"acceleratedBy", FIELD_STRING, false, AT(key.accelerated_by), 1, 0, 0},
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

enum tokend_error key_new(
        struct json_object *object, struct tokend_key **ret, struct tokend_failure *ret_failure)
{
        struct owned_key *owned = calloc(1, sizeof(*owned));
        const char *bad = NULL;
        int r;

        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a key");
        owned->object = json_object_get(object);
        r = fields_parse(key_fields, ARRAY_SIZE(key_fields), object, false, owned, &bad);
        if (r == 0) {
                owned->key.json = json_object_to_json_string_ext(
                        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
                if (!owned->key.json)
                        r = -ENOMEM;
        }
        if (r != 0) {
                tokend_key_free(&owned->key);
                return r < 0 ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a key")
                             : fail(ret_failure, TOKEND_PROTOCOL_VIOLATION,
                                       "a key is not described as it should be: %s", bad);
        }
        owned->key.public_key = owned->public_key.data;
        owned->key.public_key_length = owned->public_key.length;
        owned->key.usage = usage_of(owned->usage);
        *ret = &owned->key;
        return TOKEND_OK;
}

void tokend_key_free(struct tokend_key *key)
{
        struct owned_key *owned = (struct owned_key *)(void *)key;

        if (!owned)
                return;
        fields_done(key_fields, ARRAY_SIZE(key_fields), owned);
        json_object_put(owned->object);
        free(owned);
}

enum tokend_error key_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct tokend_key **key = userdata;
        struct json_object *object = NULL;

        tokend_key_free(*key);
        *key = NULL;
        if (again)
                return TOKEND_OK;
        if (!json_object_object_get_ex(parameters, "key", &object) ||
                !json_object_is_type(object, json_type_object))
                return fail_field(ret_failure, "io.tokend.Keys", "key");
        return key_new(object, key, ret_failure);
}
