/* SPDX-License-Identifier: MPL-2.0 */
/* The calls of the status socket. A status holds its JSON object, and its strings are those of the object. */
#include <string.h>

#include "gen/client/stubs.h"
#include "proto/limits.h"

/* status comes first, so that its address is also that of the whole. */
struct owned_status {
        struct tokend_status status;
        struct tokend_audit_status audit;
        struct tokend_configuration_status configuration;
        struct json_object *object;
        char *json;
};

/* Likewise. */
struct owned_token_status {
        struct tokend_token_status token;
        struct tokend_latency device, request;
};

static enum tokend_error no_memory(struct tokend_failure *ret_failure)
{
        return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the status");
}

static enum tokend_error parse_claims(
        struct json_object *array, struct tokend_token_status *token, struct tokend_failure *ret_failure)
{
        size_t n = array ? json_object_array_length(array) : 0;

        token->claims = structures_new(n, sizeof(struct tokend_claim));
        if (!token->claims)
                return no_memory(ret_failure);
        for (; token->n_claims < n; token->n_claims++) {
                struct status_claim_result parts;
                enum tokend_error error = status_claim_parse(
                        json_object_array_get_idx(array, token->n_claims), &parts, ret_failure);

                if (error != TOKEND_OK)
                        return error;
                *token->claims[token->n_claims] = (struct tokend_claim){
                        .nickname = parts.nickname,
                        .claimant = parts.claimant,
                        .host = parts.host,
                        .since_usec = parts.since_usec,
                };
        }
        return TOKEND_OK;
}

static enum tokend_error parse_gone(
        struct json_object *array, struct tokend_token_status *token, struct tokend_failure *ret_failure)
{
        size_t n = array ? json_object_array_length(array) : 0;

        token->gone = structures_new(n, sizeof(struct tokend_gone));
        if (!token->gone)
                return no_memory(ret_failure);
        for (; token->n_gone < n; token->n_gone++) {
                struct status_gone_result parts;
                enum tokend_error error = status_gone_parse(
                        json_object_array_get_idx(array, token->n_gone), &parts, ret_failure);

                if (error != TOKEND_OK)
                        return error;
                *token->gone[token->n_gone] = (struct tokend_gone){
                        .kind = parts.kind, .nickname = parts.nickname, .since_usec = parts.since_usec};
        }
        return TOKEND_OK;
}

/* Objects that may be missing in that of a token. Then everything in them is 0 or NULL. */
static enum tokend_error parse_parts(const struct status_token_result *parts,
        struct tokend_token_status *token, struct tokend_failure *ret_failure)
{
        struct status_sessions_result sessions;
        struct status_last_error_result last_error;
        struct status_acceleration_result acceleration;
        struct status_session_copies_result copies;
        enum tokend_error error = status_sessions_parse(parts->sessions, &sessions, ret_failure);

        if (error == TOKEND_OK)
                error = status_last_error_parse(parts->last_error, &last_error, ret_failure);
        if (error == TOKEND_OK)
                error = status_acceleration_parse(parts->acceleration, &acceleration, ret_failure);
        if (error == TOKEND_OK)
                error = status_session_copies_parse(parts->session_copies, &copies, ret_failure);
        if (error != TOKEND_OK)
                return error;
        token->sessions_open = sessions.open;
        token->sessions_busy = sessions.busy;
        token->sessions_limit = sessions.limit;
        token->last_error_ckr = last_error.ckr;
        token->last_error_usec = last_error.at_usec;
        token->accelerated = acceleration.hits;
        token->fallbacks = acceleration.fallbacks;
        token->key_loads = acceleration.loads;
        token->key_copies = acceleration.copies;
        token->session_copies = copies.setting;
        token->n_session_copies = copies.copies;
        token->keys_faster = copies.faster;
        token->keys_not_faster = copies.not_faster;
        token->copies_paused_until_usec = copies.paused_until_usec;
        return TOKEND_OK;
}

static enum tokend_error parse_latency(
        struct json_object *object, struct tokend_latency *ret, struct tokend_failure *ret_failure)
{
        struct status_latency_result parts;
        enum tokend_error error = status_latency_parse(object, &parts, ret_failure);

        if (error == TOKEND_OK)
                *ret = (struct tokend_latency){
                        .count = parts.count, .p50 = parts.p50, .p99 = parts.p99, .p999 = parts.p999};
        return error;
}

static enum tokend_error parse_token(
        struct json_object *object, struct owned_token_status *owned, struct tokend_failure *ret_failure)
{
        struct tokend_token_status *token = &owned->token;
        struct status_token_result parts;
        enum tokend_error error = status_token_parse(object, &parts, ret_failure);

        if (error != TOKEND_OK)
                return error;
        token->device = &owned->device;
        token->request = &owned->request;
        token->name = parts.name;
        token->role = parts.role;
        token->state = parts.state;
        token->reason = parts.reason;
        token->cause = parts.cause;
        token->since_usec = parts.since_usec;
        token->module = parts.module;
        token->directory = parts.directory;
        token->label = parts.label;
        token->manufacturer = parts.manufacturer;
        token->model = parts.model;
        token->serial = parts.serial;
        token->queued = parts.queued;
        token->in_flight = parts.in_flight;
        token->requests = parts.requests;
        token->errors = parts.errors;
        token->restarts = parts.restarts;
        token->logins = parts.logins;
        token->keys = parts.keys;
        token->certificates = parts.certificates;
        token->holds_claims = parts.holds_claims;
        error = parse_parts(&parts, token, ret_failure);
        if (error == TOKEND_OK)
                error = parse_latency(parts.device_latency, &owned->device, ret_failure);
        if (error == TOKEND_OK)
                error = parse_latency(parts.request_latency, &owned->request, ret_failure);
        if (error == TOKEND_OK)
                error = parse_claims(parts.claims, token, ret_failure);
        return error == TOKEND_OK ? parse_gone(parts.gone, token, ret_failure) : error;
}

static enum tokend_error parse_instance(struct json_object *object, struct tokend_instance_status *instance,
        struct tokend_failure *ret_failure)
{
        struct status_instance_result parts;
        enum tokend_error error = status_instance_parse(object, &parts, ret_failure);

        if (error == TOKEND_OK)
                *instance = (struct tokend_instance_status){
                        .name = parts.name,
                        .connections = parts.connections,
                        .requests = parts.requests,
                        .denied = parts.denied,
                        .queued = parts.queued,
                        .errors = parts.errors,
                };
        return error;
}

static enum tokend_error parse_audit(
        struct json_object *object, struct tokend_audit_status *audit, struct tokend_failure *ret_failure)
{
        struct status_audit_result parts;
        enum tokend_error error = status_audit_parse(object, &parts, ret_failure);

        if (error == TOKEND_OK)
                *audit = (struct tokend_audit_status){
                        .mode = parts.mode,
                        .required = parts.required,
                        .ok = parts.ok,
                        .reason = parts.reason,
                        .since_usec = parts.since_usec,
                        .seq = parts.seq,
                        .signed_seq = parts.signed_seq,
                        .signed_usec = parts.signed_usec,
                        .rotated_seq = parts.rotated_seq,
                        .lost = parts.lost,
                        .file = parts.file,
                };
        return error;
}

static enum tokend_error parse_configuration(struct json_object *object,
        struct tokend_configuration_status *configuration, struct tokend_failure *ret_failure)
{
        struct status_configuration_result parts;
        enum tokend_error error = status_configuration_parse(object, &parts, ret_failure);

        if (error == TOKEND_OK)
                *configuration = (struct tokend_configuration_status){
                        .ok = parts.ok,
                        .reason = parts.reason,
                        .since_usec = parts.since_usec,
                };
        return error;
}

/* For the replies to Get and Watch, which are the same. */
static enum tokend_error parse_status(
        struct json_object *object, struct owned_status *owned, struct tokend_failure *ret_failure)
{
        struct tokend_status *status = &owned->status;
        struct status_get_result parts;
        enum tokend_error error = status_get_parse(object, &parts, ret_failure);

        if (error == TOKEND_OK)
                error = parse_audit(parts.audit, &owned->audit, ret_failure);
        if (error == TOKEND_OK)
                error = parse_configuration(parts.configuration, &owned->configuration, ret_failure);
        if (error != TOKEND_OK)
                return error;
        status->audit = &owned->audit;
        status->configuration = &owned->configuration;
        status->version = parts.version;
        status->started_usec = parts.started_usec;
        status->n_tokens = json_object_array_length(parts.tokens);
        status->n_instances = json_object_array_length(parts.instances);
        status->tokens = structures_new(status->n_tokens, sizeof(struct owned_token_status));
        status->instances = structures_new(status->n_instances, sizeof(struct tokend_instance_status));
        if (!status->tokens || !status->instances)
                return no_memory(ret_failure);
        for (size_t i = 0; error == TOKEND_OK && i < status->n_tokens; i++)
                error = parse_token(json_object_array_get_idx(parts.tokens, i),
                        (struct owned_token_status *)(void *)status->tokens[i], ret_failure);
        for (size_t i = 0; error == TOKEND_OK && i < status->n_instances; i++)
                error = parse_instance(
                        json_object_array_get_idx(parts.instances, i), status->instances[i], ret_failure);
        return error;
}

void tokend_status_free(struct tokend_status *status)
{
        struct owned_status *owned = (struct owned_status *)(void *)status;

        if (!owned)
                return;
        for (size_t i = 0; status->tokens && i < status->n_tokens; i++) {
                free(status->tokens[i]->claims);
                free(status->tokens[i]->gone);
        }
        free(status->tokens);
        free(status->instances);
        json_object_put(owned->object);
        free(owned->json);
        free(owned);
}

static enum tokend_error status_new(
        struct json_object *object, struct tokend_status **ret, struct tokend_failure *ret_failure)
{
        struct owned_status *owned = calloc(1, sizeof(*owned));
        enum tokend_error error;

        if (!owned)
                return no_memory(ret_failure);
        owned->object = json_object_get(object);
        error = parse_status(object, owned, ret_failure);
        if (error == TOKEND_OK && json_print(object, &owned->json) < 0)
                error = no_memory(ret_failure);
        owned->status.json = owned->json;
        if (error == TOKEND_OK)
                *ret = &owned->status;
        else
                tokend_status_free(&owned->status);
        return error;
}

static enum tokend_error take_status(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct tokend_status *status = NULL;
        enum tokend_error error = status_new(parameters, &status, ret_failure);

        call->object = status;
        return error;
}

static void forget_status(struct call *call)
{
        tokend_status_free(TAKE_PTR(call->object));
}

enum tokend_error tokend_status(
        struct tokend *handle, int timeout_ms, struct tokend_status **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = status_get_begin(&call, timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_finish(handle, &call, take_status, forget_status, ret, ret_failure)
                                  : error;
}

/* ---- Watch ---- */

struct watch {
        tokend_status_callback callback;
        void *userdata;
        bool ended; /* the callback asked for the end */
};

static enum tokend_error take_watched(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct watch *watch = call->plan;
        struct tokend_status *status = NULL;
        enum tokend_error error = status_new(parameters, &status, ret_failure);

        if (error != TOKEND_OK)
                return error;
        watch->ended = !watch->callback(status, watch->userdata);
        tokend_status_free(status);
        return watch->ended ? TOKEND_OTHER_ERROR : TOKEND_OK;
}

static bool stop_watching(struct call *call)
{
        const struct watch *watch = call->plan;

        if (watch->ended)
                call->error = TOKEND_OK;
        return false;
}

enum tokend_error tokend_watch(struct tokend *handle, int interval_ms, int timeout_ms,
        tokend_status_callback callback, void *userdata, struct tokend_failure *ret_failure)
{
        struct watch *watch;
        struct call call;
        enum tokend_error error;

        if (interval_ms < 1 || interval_ms > (int)LIMIT_TIMEOUT_MS)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT,
                        "expected an interval from 1 to %u ms, not %d ms", LIMIT_TIMEOUT_MS, interval_ms);
        watch = malloc(sizeof(*watch));
        if (!watch)
                return no_memory(ret_failure);
        *watch = (struct watch){.callback = callback, .userdata = userdata};
        error = status_watch_begin(
                &call, &(struct status_watch_arguments){.interval_ms = interval_ms}, timeout_ms, ret_failure);
        if (error != TOKEND_OK) {
                free(watch);
                return error;
        }
        call.more = true;
        call.gap_ms = interval_ms + (timeout_ms > 0 ? timeout_ms : (int)DEFAULT_TIMEOUT_MS);
        call.plan = watch;
        call.plan_free = free;
        call.then = stop_watching;
        return call_finish(handle, &call, take_watched, NULL, NULL, ret_failure);
}
