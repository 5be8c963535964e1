/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_check(), which collects what was found from several replies, tokend_remove_claim() and tokend_make_anew(). */
#include <errno.h>
#include <string.h>

#include "gen/client/stubs.h"

/* check comes first, so that its address is also that of the whole. All strings are those of object. */
struct owned_check {
        struct tokend_check check;
        struct certificates_check_result first; /* the first reply; found grows by those of the others */
        struct json_object *object;
        char *json;
};

static void clear(struct owned_check *owned)
{
        free(owned->check.found);
        free(owned->check.collisions);
        free(owned->check.missing_mechanisms);
        json_object_put(owned->object);
        free(owned->json);
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
        struct owned_check *owned = userdata;
        struct certificates_check_result next;
        enum tokend_error error;

        if (again) {
                clear(owned);
                return TOKEND_OK;
        }
        error = certificates_check_parse(parameters, &next, ret_failure);
        if (error != TOKEND_OK)
                return error;
        if (!owned->object) {
                owned->first = next;
                owned->object = json_object_get(parameters);
                return TOKEND_OK;
        }
        return append(owned->first.found, next.found) < 0
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

        check->empty = owned->first.empty;
        if (take_strings(owned->first.found, &check->found, &check->n_found) < 0 ||
                take_strings(owned->first.collisions, &check->collisions, &check->n_collisions) < 0 ||
                take_strings(owned->first.missing_mechanisms, &check->missing_mechanisms,
                        &check->n_missing_mechanisms) < 0)
                return -ENOMEM;
        if (json_print(owned->object, &owned->json) < 0)
                return -ENOMEM;
        check->json = owned->json;
        return 0;
}

enum tokend_error tokend_check(struct tokend *handle, const char *token, const char *const *nicknames,
        size_t n_nicknames, const char *const *mechanisms, size_t n_mechanisms, int timeout_ms,
        struct tokend_check **ret, struct tokend_failure *ret_failure)
{
        struct owned_check *owned = calloc(1, sizeof(*owned));
        struct call call;
        enum tokend_error error;

        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the check");
        error = certificates_check_begin(&call,
                &(struct certificates_check_arguments){
                        .token = token,
                        .nicknames = {nicknames, n_nicknames},
                        .mechanisms = {mechanisms, n_mechanisms},
                },
                timeout_ms, ret_failure);
        if (error == TOKEND_OK) {
                call.more = true;
                error = call_finish(handle, &call, take_check, owned, ret_failure);
        }
        if (error == TOKEND_OK && finish(owned) < 0)
                error = fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the check");
        if (error == TOKEND_OK)
                *ret = &owned->check;
        else
                tokend_check_free(&owned->check);
        return error;
}

enum tokend_error tokend_remove_claim(struct tokend *handle, const char *token, const char *nickname,
        const char *claimant, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_remove_claim_begin(&call,
                &(struct status_remove_claim_arguments){
                        .token = token, .nickname = nickname, .claimant = claimant},
                timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_finish(handle, &call, NULL, NULL, ret_failure) : error;
}

enum tokend_error tokend_make_anew(
        struct tokend *handle, const char *token, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_make_anew_begin(
                &call, &(struct status_make_anew_arguments){.token = token}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_finish(handle, &call, NULL, NULL, ret_failure) : error;
}
