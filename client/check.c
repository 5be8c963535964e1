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

void tokend_check_free(struct tokend_check *check)
{
        struct owned_check *owned = (struct owned_check *)(void *)check;

        if (!owned)
                return;
        free(owned->check.found);
        free(owned->check.collisions);
        free(owned->check.missing_mechanisms);
        json_object_put(owned->object);
        free(owned->json);
        free(owned);
}

static void forget_check(struct call *call)
{
        tokend_check_free(TAKE_PTR(call->object));
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
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct owned_check *owned = call->object;
        struct certificates_check_result next;
        enum tokend_error error = certificates_check_parse(parameters, &next, ret_failure);

        if (error != TOKEND_OK)
                return error;
        if (owned)
                return append(owned->first.found, next.found) < 0
                               ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for what was found")
                               : TOKEND_OK;
        owned = calloc(1, sizeof(*owned));
        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the check");
        owned->first = next;
        owned->object = json_object_get(parameters);
        call->object = owned;
        return TOKEND_OK;
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

static int fill(struct owned_check *owned)
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

/* All replies are there. */
static bool finish(struct call *call)
{
        if (call->error == TOKEND_OK && fill(call->object) < 0)
                call->error = fail(&call->failure, TOKEND_NO_MEMORY, "no memory for the check");
        return false;
}

enum tokend_error tokend_check(struct tokend *handle, const char *token, const char *const *nicknames,
        size_t n_nicknames, const char *const *mechanisms, size_t n_mechanisms, int timeout_ms,
        struct tokend_check **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = certificates_check_begin(&call,
                &(struct certificates_check_arguments){
                        .token = token,
                        .nicknames = {nicknames, n_nicknames},
                        .mechanisms = {mechanisms, n_mechanisms},
                },
                timeout_ms, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.more = true;
        call.then = finish;
        return call_finish(handle, &call, take_check, forget_check, ret, ret_failure);
}

enum tokend_error tokend_remove_claim(struct tokend *handle, const char *token, const char *nickname,
        const char *claimant, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_remove_claim_begin(&call,
                &(struct status_remove_claim_arguments){
                        .token = token, .nickname = nickname, .claimant = claimant},
                timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_run(handle, &call, ret_failure) : error;
}

enum tokend_error tokend_rotate_audit(
        struct tokend *handle, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_rotate_audit_begin(&call, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_run(handle, &call, ret_failure) : error;
}

enum tokend_error tokend_make_anew(
        struct tokend *handle, const char *token, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_make_anew_begin(
                &call, &(struct status_make_anew_arguments){.token = token}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_run(handle, &call, ret_failure) : error;
}
