/* SPDX-License-Identifier: MPL-2.0 */
/* See status.h: the JSON. Its names are those of io.tokend.Status.varlink. */
#include "daemon/broker/status.h"

#include "daemon/util/ckr.h"

#define U64(value) ((unsigned long long)(value))

const char *token_state_name(enum token_state state)
{
        static const char *const names[TOKEN_STATE_MAX_] = {
                [TOKEN_STARTING] = "starting",
                [TOKEN_READY] = "ready",
                [TOKEN_RECOVERING] = "recovering",
                [TOKEN_FAILED] = "failed",
        };

        return names[state];
}

static void put_member(struct output *output, const char *name, const char *value)
{
        output_format(output, ",\"%s\":", name);
        output_string(output, value);
}

static void put_latency(struct output *output, const char *name, const struct histogram *histogram)
{
        output_format(output, ",\"%s\":{\"count\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu}", name,
                U64(histogram->count), U64(histogram_quantile(histogram, 500)),
                U64(histogram_quantile(histogram, 990)), U64(histogram_quantile(histogram, 999)));
}

static void put_identity(struct output *output, const struct token *token)
{
        put_member(output, "module", token->config->module);
        if (!token->known)
                return;
        put_member(output, "label", token->label);
        put_member(output, "manufacturer", token->manufacturer);
        put_member(output, "model", token->model);
        put_member(output, "serial", token->serial);
}

static void put_counts(struct output *output, const struct token *token)
{
        const struct worker *worker = &token->worker;
        /* A renewal of the directory keeps a session busy, and is nobody's request. */
        size_t out = worker->n_out + worker->busy;
        char text[CKR_TEXT];

        output_format(output, ",\"sessions\":{\"open\":%u,\"busy\":%zu,\"limit\":%u}", worker->sessions_open,
                out, worker->session_limit ? worker->session_limit : token->config->sessions);
        output_format(output, ",\"queued\":%zu,\"inFlight\":%zu,\"requests\":%llu,\"errors\":%llu",
                token_queued(token), out - worker->refresh_out, U64(token->requests), U64(token->errors));
        output_format(output, ",\"restarts\":%u,\"logins\":%llu", token->restarts,
                U64(token->logins_before + worker->logins));
        if (token->last_ckr)
                output_format(output, ",\"lastError\":{\"ckr\":\"%s\",\"atUSec\":%llu}",
                        ckr_text(token->last_ckr, text), U64(token->last_ckr_usec));
        output_format(output, ",\"keys\":%zu,\"certificates\":%zu",
                token->directory ? directory_count(token->directory, OBJECT_KEY) : 0,
                token->directory ? directory_count(token->directory, OBJECT_CERTIFICATE) : 0);
        claims_put(&token->claims, output);
}

static void put_acceleration(struct output *output, const struct token *token)
{
        output_format(output,
                ",\"acceleration\":{\"hits\":%llu,\"fallbacks\":%llu,\"loads\":%llu,\"copies\":%zu}",
                U64(token->accelerated), U64(token->fallbacks), U64(token->loads), token->n_copies);
}

static void put_token(struct output *output, const struct token *token)
{
        output_text(output, "{\"name\":");
        output_string(output, token->name);
        put_member(output, "role", config_role_name(token->config->role));
        put_member(output, "state", token_state_name(token->state));
        put_member(output, "reason", token->reason);
        output_format(output, ",\"sinceUSec\":%llu", U64(token->since_usec));
        put_identity(output, token);
        put_counts(output, token);
        put_acceleration(output, token);
        put_latency(output, "deviceLatency", &token->device);
        put_latency(output, "requestLatency", &token->whole);
        output_text(output, "}");
}

static void put_instance(struct output *output, struct broker *broker, const struct instance *instance)
{
        output_text(output, "{\"name\":");
        output_string(output, instance->name);
        output_format(output,
                ",\"connections\":%zu,\"requests\":%llu,\"denied\":%llu,\"queued\":%zu,\"errors\":%llu}",
                instance->n_connections, U64(instance->requests), U64(instance->denied),
                broker_instance_queued(broker, instance), U64(instance->errors));
}

void status_put(struct broker *broker, struct output *output)
{
        const char *comma = "";

        output_format(output, "{\"version\":\"" TOKEND_VERSION "\",\"startedUSec\":%llu,\"tokens\":[",
                U64(broker->started_usec));
        LINK_FOREACH(at, &broker->tokens)
        {
                output_text(output, comma);
                put_token(output, LINK_OF(at, struct token, link));
                comma = ",";
        }
        output_text(output, "],\"instances\":[");
        comma = "";
        LINK_FOREACH(instance_at, &broker->instances)
        {
                const struct instance *instance = LINK_OF(instance_at, struct instance, link);

                if (!instance->config)
                        continue;
                output_text(output, comma);
                put_instance(output, broker, instance);
                comma = ",";
        }
        output_text(output, "],\"audit\":");
        audit_put_status(broker, output);
        output_text(output, "}");
}
