/* SPDX-License-Identifier: MPL-2.0 */
/* The calls of the status socket. A status holds its JSON object, and its strings are that object's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/internal.h"
#include "proto/limits.h"

/* status comes first: the one is the other's address. */
struct owned_status {
        struct tokend_status status;
        struct json_object *tokens, *instances, *audit;
        struct json_object *object;
};

/* A token with the objects in it, before they are taken apart. */
struct token_parts {
        struct tokend_token_status token;
        struct json_object *sessions, *last_error, *acceleration, *device, *request, *claims;
};

#define AMOUNT(name, type, member)                                                                           \
        {                                                                                                    \
                name, FIELD_INT, false, offsetof(type, member), 0, INT64_MAX, 0                              \
        }
#define TEXT(name, type, member)                                                                             \
        {                                                                                                    \
                name, FIELD_STRING, false, offsetof(type, member), 0, 0, 0                                   \
        }
#define OBJECT(name, type, member)                                                                           \
        {                                                                                                    \
                name, FIELD_OBJECT, false, offsetof(type, member), 0, 0, 0                                   \
        }

static const struct field status_fields[] = {
        {"version", FIELD_STRING, true, offsetof(struct owned_status, status.version), 0, 0, 0},
        AMOUNT("startedUSec", struct owned_status, status.started_usec),
        {"tokens", FIELD_ARRAY, true, offsetof(struct owned_status, tokens), 0, 0, 0},
        {"instances", FIELD_ARRAY, true, offsetof(struct owned_status, instances), 0, 0, 0},
        OBJECT("audit", struct owned_status, audit),
};

#define SWITCH(name, member)                                                                                 \
        {                                                                                                    \
                name, FIELD_BOOL, false, offsetof(struct tokend_audit_status, member), 0, 0, 0               \
        }
static const struct field audit_fields[] = {
        TEXT("mode", struct tokend_audit_status, mode),
        SWITCH("required", required),
        SWITCH("ok", ok),
        TEXT("reason", struct tokend_audit_status, reason),
        AMOUNT("sinceUSec", struct tokend_audit_status, since_usec),
        AMOUNT("seq", struct tokend_audit_status, seq),
        AMOUNT("signedSeq", struct tokend_audit_status, signed_seq),
        AMOUNT("signedUSec", struct tokend_audit_status, signed_usec),
        AMOUNT("lost", struct tokend_audit_status, lost),
};

static const struct field token_fields[] = {
        {"name", FIELD_STRING, true, offsetof(struct token_parts, token.name), 1, 0, 0},
        {"state", FIELD_STRING, true, offsetof(struct token_parts, token.state), 1, 0, 0},
        TEXT("role", struct token_parts, token.role),
        TEXT("reason", struct token_parts, token.reason),
        AMOUNT("sinceUSec", struct token_parts, token.since_usec),
        TEXT("module", struct token_parts, token.module),
        TEXT("label", struct token_parts, token.label),
        TEXT("manufacturer", struct token_parts, token.manufacturer),
        TEXT("model", struct token_parts, token.model),
        TEXT("serial", struct token_parts, token.serial),
        OBJECT("sessions", struct token_parts, sessions),
        AMOUNT("queued", struct token_parts, token.queued),
        AMOUNT("inFlight", struct token_parts, token.in_flight),
        AMOUNT("requests", struct token_parts, token.requests),
        AMOUNT("errors", struct token_parts, token.errors),
        AMOUNT("restarts", struct token_parts, token.restarts),
        AMOUNT("logins", struct token_parts, token.logins),
        AMOUNT("keys", struct token_parts, token.keys),
        AMOUNT("certificates", struct token_parts, token.certificates),
        {"holdsClaims", FIELD_BOOL, false, offsetof(struct token_parts, token.holds_claims), 0, 0, 0},
        {"claims", FIELD_ARRAY, false, offsetof(struct token_parts, claims), 0, 0, 0},
        OBJECT("lastError", struct token_parts, last_error),
        OBJECT("acceleration", struct token_parts, acceleration),
        OBJECT("deviceLatency", struct token_parts, device),
        OBJECT("requestLatency", struct token_parts, request),
};

static const struct field session_fields[] = {
        AMOUNT("open", struct tokend_token_status, sessions_open),
        AMOUNT("busy", struct tokend_token_status, sessions_busy),
        AMOUNT("limit", struct tokend_token_status, sessions_limit),
};

static const struct field last_error_fields[] = {
        TEXT("ckr", struct tokend_token_status, last_error_ckr),
        AMOUNT("atUSec", struct tokend_token_status, last_error_usec),
};

static const struct field acceleration_fields[] = {
        AMOUNT("hits", struct tokend_token_status, accelerated),
        AMOUNT("fallbacks", struct tokend_token_status, fallbacks),
        AMOUNT("loads", struct tokend_token_status, key_loads),
        AMOUNT("copies", struct tokend_token_status, key_copies),
};

static const struct field latency_fields[] = {
        AMOUNT("count", struct tokend_latency, count),
        AMOUNT("p50", struct tokend_latency, p50),
        AMOUNT("p99", struct tokend_latency, p99),
        AMOUNT("p999", struct tokend_latency, p999),
};

static const struct field claim_fields[] = {
        {"nickname", FIELD_STRING, true, offsetof(struct tokend_claim, nickname), 0, 0, 0},
        {"claimant", FIELD_STRING, true, offsetof(struct tokend_claim, claimant), 0, 0, 0},
        TEXT("host", struct tokend_claim, host),
        AMOUNT("sinceUSec", struct tokend_claim, since_usec),
};

static const struct field instance_fields[] = {
        {"name", FIELD_STRING, true, offsetof(struct tokend_instance_status, name), 0, 0, 0},
        AMOUNT("connections", struct tokend_instance_status, connections),
        AMOUNT("requests", struct tokend_instance_status, requests),
        AMOUNT("denied", struct tokend_instance_status, denied),
        AMOUNT("queued", struct tokend_instance_status, queued),
        AMOUNT("errors", struct tokend_instance_status, errors),
};

#define PARSE(fields, object, out, ret_bad)                                                                  \
        fields_parse(fields, ARRAY_SIZE(fields), object, false, out, ret_bad)

static int parse_claims(struct json_object *array, struct tokend_token_status *token, const char **ret_bad)
{
        size_t n = array ? json_object_array_length(array) : 0;
        int r = 0;

        token->claims = calloc(n + 1, sizeof(*token->claims));
        if (!token->claims)
                return -ENOMEM;
        for (; r == 0 && token->n_claims < n; token->n_claims++)
                r = PARSE(claim_fields, json_object_array_get_idx(array, token->n_claims),
                        &token->claims[token->n_claims], ret_bad);
        return r;
}

/* 0; 1: *ret_bad is not as it should be. No field here has bytes: there is nothing to free. */
static int parse_token(struct json_object *object, struct tokend_token_status *token, const char **ret_bad)
{
        struct token_parts parts = {0};
        int r = PARSE(token_fields, object, &parts, ret_bad);

        if (r == 0)
                r = PARSE(session_fields, parts.sessions, &parts.token, ret_bad);
        if (r == 0)
                r = PARSE(last_error_fields, parts.last_error, &parts.token, ret_bad);
        if (r == 0)
                r = PARSE(acceleration_fields, parts.acceleration, &parts.token, ret_bad);
        if (r == 0)
                r = PARSE(latency_fields, parts.device, &parts.token.device, ret_bad);
        if (r == 0)
                r = PARSE(latency_fields, parts.request, &parts.token.request, ret_bad);
        if (r == 0)
                r = parse_claims(parts.claims, &parts.token, ret_bad);
        *token = parts.token;
        return r;
}

static int parse_status(struct owned_status *owned, const char **ret_bad)
{
        struct tokend_status *status = &owned->status;
        int r = PARSE(status_fields, owned->object, owned, ret_bad);

        if (r == 0)
                r = PARSE(audit_fields, owned->audit, &status->audit, ret_bad);
        if (r != 0)
                return r;
        status->n_tokens = json_object_array_length(owned->tokens);
        status->n_instances = json_object_array_length(owned->instances);
        status->tokens = calloc(status->n_tokens + 1, sizeof(*status->tokens));
        status->instances = calloc(status->n_instances + 1, sizeof(*status->instances));
        status->json = json_object_to_json_string_ext(
                owned->object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!status->tokens || !status->instances || !status->json)
                return -ENOMEM;
        for (size_t i = 0; r == 0 && i < status->n_tokens; i++)
                r = parse_token(json_object_array_get_idx(owned->tokens, i), &status->tokens[i], ret_bad);
        for (size_t i = 0; r == 0 && i < status->n_instances; i++)
                r = PARSE(instance_fields, json_object_array_get_idx(owned->instances, i),
                        &status->instances[i], ret_bad);
        return r;
}

void tokend_status_free(struct tokend_status *status)
{
        struct owned_status *owned = (struct owned_status *)(void *)status;

        if (!owned)
                return;
        for (size_t i = 0; status->tokens && i < status->n_tokens; i++)
                free(status->tokens[i].claims);
        free(status->tokens);
        free(status->instances);
        json_object_put(owned->object);
        free(owned);
}

static enum tokend_error status_new(
        struct json_object *object, struct tokend_status **ret, struct tokend_failure *ret_failure)
{
        struct owned_status *owned = calloc(1, sizeof(*owned));
        const char *bad = "parameters";
        int r;

        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the status");
        owned->object = json_object_get(object);
        r = object ? parse_status(owned, &bad) : 1;
        if (r == 0) {
                *ret = &owned->status;
                return TOKEND_OK;
        }
        tokend_status_free(&owned->status);
        return r < 0 ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the status")
                     : fail_field(ret_failure, "io.tokend.Status", bad);
}

static enum tokend_error take_status(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        return again ? TOKEND_OK : status_new(parameters, userdata, ret_failure);
}

enum tokend_error tokend_status(
        struct tokend *handle, int timeout_ms, struct tokend_status **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(
                &call, "io.tokend.Status.Get", CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.take = take_status;
        call.userdata = ret;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        return error;
}

/* ---- Watch ---- */

struct watch {
        tokend_status_callback callback;
        void *userdata;
        bool ended; /* by the callback */
};

static enum tokend_error take_watched(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct watch *watch = userdata;
        struct tokend_status *status = NULL;
        enum tokend_error error;

        if (again)
                return TOKEND_OK;
        error = status_new(parameters, &status, ret_failure);
        if (error != TOKEND_OK)
                return error;
        watch->ended = !watch->callback(status, watch->userdata);
        tokend_status_free(status);
        return watch->ended ? TOKEND_OTHER_ERROR : TOKEND_OK;
}

enum tokend_error tokend_watch(struct tokend *handle, int interval_ms, int timeout_ms,
        tokend_status_callback callback, void *userdata, struct tokend_failure *ret_failure)
{
        struct watch watch = {.callback = callback, .userdata = userdata};
        struct call call;
        enum tokend_error error;

        if (interval_ms < 1 || interval_ms > (int)LIMIT_TIMEOUT_MS)
                return fail(ret_failure, TOKEND_INVALID_ARGUMENT,
                        "an interval of %d ms is not within 1 and %u", interval_ms, LIMIT_TIMEOUT_MS);
        error = call_init(&call, "io.tokend.Status.Watch", CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS,
                ret_failure);
        if (error != TOKEND_OK)
                return error;
        call_add_int(&call, "intervalMs", interval_ms);
        call.more = true;
        call.gap_ms = interval_ms + (timeout_ms > 0 ? timeout_ms : (int)DEFAULT_TIMEOUT_MS);
        call.take = take_watched;
        call.userdata = &watch;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        return watch.ended ? TOKEND_OK : error;
}

/* ---- Metrics and Probe ---- */

static enum tokend_error take_metrics(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        static const struct field fields[] = {{"openMetrics", FIELD_STRING, true, 0, 0, 0, 0}};
        const char *text, *bad = NULL;
        char **ret = userdata;

        if (again)
                return TOKEND_OK;
        if (PARSE(fields, parameters, &text, &bad) != 0)
                return fail_field(ret_failure, "io.tokend.Status.Metrics", bad);
        *ret = strdup(text);
        return *ret ? TOKEND_OK : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the metrics");
}

enum tokend_error tokend_metrics(
        struct tokend *handle, int timeout_ms, char **ret, struct tokend_failure *ret_failure)
{
        char *text = NULL;
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Status.Metrics", CALL_REPEATABLE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.take = take_metrics;
        call.userdata = &text;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        if (error == TOKEND_OK)
                *ret = text;
        return error;
}

struct probe_reply {
        bool ok;
        const char *ckr;
        int64_t latency_usec;
};

static enum tokend_error take_probe(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        static const struct field fields[] = {
                {"ok", FIELD_BOOL, true, offsetof(struct probe_reply, ok), 0, 0, 0},
                TEXT("ckr", struct probe_reply, ckr),
                AMOUNT("latencyUSec", struct probe_reply, latency_usec),
        };
        struct tokend_probe *probe = userdata;
        struct probe_reply reply;
        const char *bad = NULL;

        if (again)
                return TOKEND_OK;
        if (PARSE(fields, parameters, &reply, &bad) != 0)
                return fail_field(ret_failure, "io.tokend.Status.Probe", bad);
        *probe = (struct tokend_probe){.ok = reply.ok, .latency_usec = reply.latency_usec};
        snprintf(probe->ckr, sizeof(probe->ckr), "%s", reply.ckr ? reply.ckr : "");
        text_clean(probe->ckr);
        return TOKEND_OK;
}

enum tokend_error tokend_probe(struct tokend *handle, const char *token, int timeout_ms,
        struct tokend_probe *ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Status.Probe", CALL_REPEATABLE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "token", token);
        call.take = take_probe;
        call.userdata = ret;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        return error;
}
