/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_check(): asks with `more`, and gathers what was found; and tokend_remove_claim(). */
#include <errno.h>
#include <string.h>

#include "client/internal.h"
#include "proto/limits.h"

#define METHOD "io.tokend.Certificates.Check"

/* check comes first: the one is the other's address. All strings lie in one object. */
struct owned_check {
        struct tokend_check check;
        struct json_object *found, *collisions, *missing; /* of the first reply; found grows by the others' */
        struct json_object *object;
};

#define AT(member) offsetof(struct owned_check, member)
static const struct field check_fields[] = {
        {"empty", FIELD_BOOL, true, AT(check.empty), 0, 0, 0},
        {"found", FIELD_STRINGS, true, AT(found), 0, 0, 0},
        {"collisions", FIELD_STRINGS, true, AT(collisions), 0, 0, 0},
        {"missingMechanisms", FIELD_STRINGS, true, AT(missing), 0, 0, 0},
};

static void clear(struct owned_check *owned)
{
        free(owned->check.found);
        free(owned->check.collisions);
        free(owned->check.missing_mechanisms);
        json_object_put(owned->object);
        *owned = (struct owned_check){0};
}

void tokend_check_free(struct tokend_check *check)
{
        struct owned_check *owned = (struct owned_check *)(void *)check;

        if (owned)
                clear(owned);
        free(owned);
}

static int append(struct json_object *to, struct json_object *from)
{
        for (size_t i = 0; i < json_object_array_length(from); i++) {
                struct json_object *name = json_object_get(json_object_array_get_idx(from, i));

                if (json_object_array_add(to, name) < 0) {
                        json_object_put(name);
                        return -ENOMEM;
                }
        }
        return 0;
}

static enum tokend_error take_check(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct owned_check *owned = userdata, next = {0};
        const char *bad = NULL;

        if (again) {
                clear(owned);
                return TOKEND_OK;
        }
        if (fields_parse(check_fields, ARRAY_SIZE(check_fields), parameters, false, &next, &bad) != 0)
                return fail_field(ret_failure, METHOD, bad);
        if (!owned->object) {
                *owned = next;
                owned->object = json_object_get(parameters);
                return TOKEND_OK;
        }
        return append(owned->found, next.found) < 0
                       ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for what was found")
                       : TOKEND_OK;
}

static int take_strings(struct json_object *array, const char ***ret, size_t *ret_n)
{
        size_t n = json_object_array_length(array);
        const char **strings = calloc(n + 1, sizeof(*strings));

        if (!strings)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                strings[i] = json_object_get_string(json_object_array_get_idx(array, i));
        *ret = strings;
        *ret_n = n;
        return 0;
}

static int finish(struct owned_check *owned)
{
        struct tokend_check *check = &owned->check;

        if (take_strings(owned->found, &check->found, &check->n_found) < 0 ||
                take_strings(owned->collisions, &check->collisions, &check->n_collisions) < 0 ||
                take_strings(owned->missing, &check->missing_mechanisms, &check->n_missing_mechanisms) < 0)
                return -ENOMEM;
        check->json = json_object_to_json_string_ext(
                owned->object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        return check->json ? 0 : -ENOMEM;
}

enum tokend_error tokend_check(struct tokend *handle, const char *token, const char *const *nicknames,
        size_t n_nicknames, const char *const *mechanisms, size_t n_mechanisms, int timeout_ms,
        struct tokend_check **ret, struct tokend_failure *ret_failure)
{
        struct owned_check *owned;
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        owned = calloc(1, sizeof(*owned));
        call_add_string(&call, "token", token);
        call_add_strings(&call, "nicknames", nicknames, n_nicknames);
        if (n_mechanisms > 0)
                call_add_strings(&call, "mechanisms", mechanisms, n_mechanisms);
        call.more = true;
        call.take = take_check;
        call.userdata = owned;
        error = owned ? call_run(handle, &call, ret_failure)
                      : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the check");
        call_done(&call);
        if (error == TOKEND_OK && finish(owned) < 0)
                error = fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the check");
        if (error == TOKEND_OK)
                *ret = &owned->check;
        else if (owned)
                tokend_check_free(&owned->check);
        return error;
}

enum tokend_error tokend_remove_claim(struct tokend *handle, const char *token, const char *nickname,
        const char *claimant, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Status.RemoveClaim", CALL_ONCE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "token", token);
        call_add_string(&call, "nickname", nickname);
        call_add_string(&call, "claimant", claimant);
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        return error;
}
