/* SPDX-License-Identifier: MPL-2.0 */
/* tokend_metrics() and tokend_probe(). */
#include <string.h>

#include "daemon/util/printable.h"
#include "gen/client/stubs.h"

static enum tokend_error take_metrics(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct status_metrics_result result;
        enum tokend_error error = status_metrics_parse(parameters, &result, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call->object = strdup(result.open_metrics);
        return call->object ? TOKEND_OK : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the metrics");
}

enum tokend_error tokend_metrics(
        struct tokend *handle, int timeout_ms, char **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_metrics_begin(&call, timeout_ms, ret_failure);

        return error == TOKEND_OK
                       ? call_finish(handle, &call, take_metrics, call_forget_bytes, ret, ret_failure)
                       : error;
}

/* probe comes first; the texts follow it. */
struct owned_probe {
        struct tokend_probe probe;
        char *ckr, *reason;
};

void tokend_probe_free(struct tokend_probe *probe)
{
        struct owned_probe *owned = (struct owned_probe *)(void *)probe;

        if (!owned)
                return;
        free(owned->ckr);
        free(owned->reason);
        free(owned);
}

/* A copy that is fit for a terminal. NULL: there is none to copy, or no memory. */
static char *clean_copy(const char *text)
{
        return text && *text ? printable_new(text) : NULL;
}

static void forget_probe(struct call *call)
{
        tokend_probe_free(TAKE_PTR(call->object));
}

static enum tokend_error take_probe(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct owned_probe *owned;
        struct status_probe_result result;
        enum tokend_error error = status_probe_parse(parameters, &result, ret_failure);

        if (error != TOKEND_OK)
                return error;
        owned = calloc(1, sizeof(*owned));
        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the probe");
        owned->ckr = clean_copy(result.ckr);
        owned->reason = clean_copy(result.reason);
        owned->probe = (struct tokend_probe){.ok = result.ok,
                .latency_usec = result.latency_usec,
                .ckr = owned->ckr,
                .reason = owned->reason};
        call->object = &owned->probe;
        return TOKEND_OK;
}

enum tokend_error tokend_probe(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_probe **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_probe_begin(
                &call, &(struct status_probe_arguments){.token = token}, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_finish(handle, &call, take_probe, forget_probe, ret, ret_failure)
                                  : error;
}
