/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_retry(), tokend_drain(), tokend_disable() and tokend_enable(): what an operator has done with one token. */
#include <string.h>

#include "daemon/util/printable.h"
#include "gen/client/stubs.h"

/* maintenance comes first; the texts follow it. */
struct owned_maintenance {
        struct tokend_maintenance maintenance;
        char *state, *reason;
};

void tokend_maintenance_free(struct tokend_maintenance *maintenance)
{
        struct owned_maintenance *owned = (struct owned_maintenance *)(void *)maintenance;

        if (!owned)
                return;
        free(owned->state);
        free(owned->reason);
        free(owned);
}

static void forget(struct call *call)
{
        tokend_maintenance_free(TAKE_PTR(call->object));
}

static enum tokend_error keep(struct call *call, bool done, const char *state, const char *reason,
        struct tokend_failure *ret_failure)
{
        struct owned_maintenance *owned = calloc(1, sizeof(*owned));

        if (owned) {
                owned->state = printable_new(state);
                owned->reason = printable_new(reason ? reason : "");
        }
        if (!owned || !owned->state || !owned->reason) {
                tokend_maintenance_free(owned ? &owned->maintenance : NULL);
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the answer");
        }
        owned->maintenance =
                (struct tokend_maintenance){.done = done, .state = owned->state, .reason = owned->reason};
        call->object = &owned->maintenance;
        return TOKEND_OK;
}

/* The four calls are of one form. */
#define MAINTENANCE(verb)                                                                                    \
        static enum tokend_error take_##verb(                                                                \
                struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)       \
        {                                                                                                    \
                struct status_##verb##_result result;                                                        \
                enum tokend_error error = status_##verb##_parse(parameters, &result, ret_failure);           \
                                                                                                             \
                return error == TOKEND_OK                                                                    \
                               ? keep(call, result.done, result.state, result.reason, ret_failure)           \
                               : error;                                                                      \
        }                                                                                                    \
                                                                                                             \
        enum tokend_error tokend_##verb(struct tokend *handle, const char *token, int timeout_ms,            \
                struct tokend_maintenance **ret, struct tokend_failure *ret_failure)                         \
        {                                                                                                    \
                struct call call;                                                                            \
                enum tokend_error error = status_##verb##_begin(&call,                                       \
                        &(struct status_##verb##_arguments){.token = token}, timeout_ms, ret_failure);       \
                                                                                                             \
                return error == TOKEND_OK                                                                    \
                               ? call_finish(handle, &call, take_##verb, forget, ret, ret_failure)           \
                               : error;                                                                      \
        }
MAINTENANCE(retry)
MAINTENANCE(drain)
MAINTENANCE(disable)
MAINTENANCE(enable)
