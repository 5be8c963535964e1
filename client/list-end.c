/* SPDX-License-Identifier: MPL-2.0 */
/* What keys and certificates are listed with: the state, and the tokens that are not ready. Its strings are its own. */
#include <string.h>

#include "gen/client/stubs.h"

void list_end_done(struct tokend_list_end *end)
{
        for (size_t i = 0; i < end->n_unavailable; i++) {
                free((char *)(uintptr_t)end->unavailable[i]->token);
                free((char *)(uintptr_t)end->unavailable[i]->state);
                free((char *)(uintptr_t)end->unavailable[i]->reason);
        }
        free(end->unavailable);
        free((char *)(uintptr_t)end->state);
        *end = (struct tokend_list_end){0};
}

static enum tokend_error take_one(
        struct tokend_list_end *end, struct json_object *object, struct tokend_failure *ret_failure)
{
        struct tokend_unavailable *one = end->unavailable[end->n_unavailable];
        struct keys_unavailable_result parts;
        enum tokend_error error = keys_unavailable_parse(object, &parts, ret_failure);

        if (error != TOKEND_OK)
                return error;
        *one = (struct tokend_unavailable){strdup(parts.token), strdup(parts.state), strdup(parts.reason)};
        end->n_unavailable++;
        return one->token && one->state && one->reason
                       ? TOKEND_OK
                       : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a list");
}

enum tokend_error list_end_take(struct tokend_list_end *end, const char *state, bool unchanged,
        struct json_object *unavailable, struct tokend_failure *ret_failure)
{
        size_t n = unavailable ? json_object_array_length(unavailable) : 0;
        enum tokend_error error = TOKEND_OK;

        list_end_done(end);
        end->unchanged = unchanged;
        end->state = state ? strdup(state) : NULL;
        end->unavailable = structures_new(n, sizeof(struct tokend_unavailable));
        if ((state && !end->state) || !end->unavailable)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a list");
        for (size_t i = 0; error == TOKEND_OK && i < n; i++)
                error = take_one(end, json_object_array_get_idx(unavailable, i), ret_failure);
        return error;
}
