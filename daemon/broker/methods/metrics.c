/* SPDX-License-Identifier: MPL-2.0 */
/* See status.h: the OpenMetrics text (1.0), one family after the other as the format wants it. No type but gauge,
 * counter and histogram: node_exporter's textfile collector reads Prometheus's older format, and refuses a file with others. */
#include "daemon/broker/methods/status.h"

#include "daemon/broker/audit/audit-broker.h"
#include "daemon/broker/model/registry.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/printable.h"

#define U64(value) ((unsigned long long)(value))

/* The buckets' upper ends: powers of 4 of a microsecond, 64 us to 67 s; exact, since each is a border of the
 * histogram. */
#define FIRST_LOG2 6U
#define LAST_LOG2  26U
#define STEP_LOG2  2U

/* What is printable, with quote and backslash escaped as the format wants it. */
static void put_label(struct output *output, const char *value)
{
        const char *end = value + strlen(value), *piece;
        char room[PRINTABLE_ESCAPE_SIZE];
        size_t n;

        while ((n = printable_next(&value, end, &piece, room)) > 0)
                for (size_t i = 0; i < n; i++) {
                        if (piece[i] == '\\' || piece[i] == '"')
                                output_text(output, "\\");
                        output_bytes(output, piece + i, 1);
                }
}

static void put_sample(
        struct output *output, const char *name, const char *label, const char *value, uint64_t number)
{
        output_format(output, "tokend_%s{%s=\"", name, label);
        put_label(output, value);
        output_format(output, "\"} %llu\n", U64(number));
}

static void put_family(struct output *output, const char *name, const char *type, const char *help)
{
        output_format(output, "# TYPE tokend_%s %s\n# HELP tokend_%s %s\n", name, type, name, help);
}

/* ---- tokens ---- */

static uint64_t queued_of(const struct token *t)
{
        return token_queued(t);
}

static uint64_t in_flight_of(const struct token *t)
{
        return t->worker.n_out + t->worker.busy;
}

static uint64_t sessions_of(const struct token *t)
{
        return t->worker.sessions_open;
}

static uint64_t keys_of(const struct token *t)
{
        return t->directory ? directory_count(t->directory, OBJECT_KEY) : 0;
}

static uint64_t ready_of(const struct token *t)
{
        return t->state == TOKEN_READY;
}

static uint64_t requests_of(const struct token *t)
{
        return t->requests;
}

static uint64_t errors_of(const struct token *t)
{
        return t->errors;
}

static uint64_t restarts_of(const struct token *t)
{
        return t->restarts;
}

static uint64_t logins_of(const struct token *t)
{
        return t->logins_before + t->worker.logins;
}

static uint64_t hits_of(const struct token *t)
{
        return t->accelerated;
}

static uint64_t fallbacks_of(const struct token *t)
{
        return t->fallbacks;
}

static uint64_t loads_of(const struct token *t)
{
        return t->loads;
}

static uint64_t copies_of(const struct token *t)
{
        return t->n_copies;
}

static const struct {
        const char *name, *help;
        bool counter;
        uint64_t (*value)(const struct token *token);
} token_families[] = {
        {"token_ready", "Whether the token serves requests.", false, ready_of},
        {"token_queued", "Requests that wait for the token.", false, queued_of},
        {"token_in_flight", "Requests that the token works on.", false, in_flight_of},
        {"token_sessions", "PKCS #11 sessions open.", false, sessions_of},
        {"token_keys", "Keys listed.", false, keys_of},
        {"token_requests", "Requests that the token was asked.", true, requests_of},
        {"token_errors", "Of these, ended with an error of the token.", true, errors_of},
        {"token_restarts", "Workers started beyond the first.", true, restarts_of},
        {"token_logins", "Logins that succeeded.", true, logins_of},
        {"token_accelerated", "Requests that an accelerator did: this one for others, or one for this token.",
                true, hits_of},
        {"token_fallbacks", "Requests that an accelerator could have done, and did not.", true, fallbacks_of},
        {"token_loads", "Keys copied to an accelerator.", true, loads_of},
        {"token_copies", "Copies of keys that an accelerator holds.", false, copies_of},
};

static void put_tokens(struct broker *broker, struct output *output)
{
        for (size_t i = 0; i < ARRAY_SIZE(token_families); i++) {
                char name[64];

                put_family(output, token_families[i].name, token_families[i].counter ? "counter" : "gauge",
                        token_families[i].help);
                snprintf(name, sizeof(name), "%s%s", token_families[i].name,
                        token_families[i].counter ? "_total" : "");
                LINK_FOREACH(at, &broker->tokens)
                {
                        const struct token *token = LINK_OF(at, struct token, link);

                        put_sample(output, name, "token", token->name, token_families[i].value(token));
                }
        }
}

/* To be joined with the others by its token. */
static void put_roles(struct broker *broker, struct output *output)
{
        put_family(output, "token_info", "gauge", "The role of the token: keys or accelerator.");
        LINK_FOREACH(at, &broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                output_text(output, "tokend_token_info{token=\"");
                put_label(output, token->name);
                output_format(output, "\",role=\"%s\"} 1\n", config_role_name(token->config->role));
        }
}

static void put_states(struct broker *broker, struct output *output)
{
        put_family(output, "token_state", "gauge",
                "The state of the token: 1 for its present state, 0 for the others.");
        LINK_FOREACH(at, &broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                for (enum token_state state = TOKEN_STARTING; state < TOKEN_STATE_MAX_; state++) {
                        output_text(output, "tokend_token_state{token=\"");
                        put_label(output, token->name);
                        output_format(output, "\",state=\"%s\"} %d\n", token_state_name(state),
                                token->state == state);
                }
        }
}

static void put_bucket(
        struct output *output, const char *name, const struct token *token, const char *le, uint64_t count)
{
        output_format(output, "tokend_%s_bucket{token=\"", name);
        put_label(output, token->name);
        output_format(output, "\",le=\"%s\"} %llu\n", le, U64(count));
}

static void put_seconds(char *text, size_t size, uint64_t usec)
{
        size_t n;

        snprintf(text, size, "%llu.%06llu", U64(usec / USEC_PER_SEC), U64(usec % USEC_PER_SEC));
        for (n = strlen(text); n > 0 && text[n - 1] == '0' && text[n - 2] != '.'; n--)
                text[n - 1] = '\0';
}

static void put_histogram(
        struct output *output, const char *name, const struct token *token, const struct histogram *histogram)
{
        char text[40];

        for (unsigned log2 = FIRST_LOG2; log2 <= LAST_LOG2; log2 += STEP_LOG2) {
                put_seconds(text, sizeof(text), UINT64_C(1) << log2);
                put_bucket(output, name, token, text, histogram_below(histogram, log2));
        }
        put_bucket(output, name, token, "+Inf", histogram->count);
        put_seconds(text, sizeof(text), histogram->sum_usec);
        output_format(output, "tokend_%s_count{token=\"", name);
        put_label(output, token->name);
        output_format(output, "\"} %llu\ntokend_%s_sum{token=\"", U64(histogram->count), name);
        put_label(output, token->name);
        output_format(output, "\"} %s\n", text);
}

static void put_latency(
        struct broker *broker, struct output *output, const char *name, const char *help, size_t offset)
{
        output_format(output, "# TYPE tokend_%s histogram\n# UNIT tokend_%s seconds\n# HELP tokend_%s %s\n",
                name, name, name, help);
        LINK_FOREACH(at, &broker->tokens)
        {
                const struct token *token = LINK_OF(at, struct token, link);

                put_histogram(output, name, token,
                        (const struct histogram *)(const void *)((const char *)token + offset));
        }
}

/* ---- instances ---- */

static const struct {
        const char *name, *help;
        bool counter;
        size_t offset; /* of a uint64_t; 0: what is not one */
} instance_families[] = {
        {"instance_connections", "Connections open.", false, 0},
        {"instance_queued", "Requests that wait.", false, 0},
        {"instance_requests", "Requests.", true, offsetof(struct instance, requests)},
        {"instance_denied", "Requests that policy refused.", true, offsetof(struct instance, denied)},
        {"instance_errors", "Requests that ended with an error, denied ones apart.", true,
                offsetof(struct instance, errors)},
};

static uint64_t instance_value(struct broker *broker, const struct instance *instance, size_t family)
{
        if (family == 0)
                return instance->n_connections;
        if (family == 1)
                return registry_queued(broker, instance);
        return *(const uint64_t *)(const void *)((const char *)instance + instance_families[family].offset);
}

static void put_instances(struct broker *broker, struct output *output)
{
        for (size_t i = 0; i < ARRAY_SIZE(instance_families); i++) {
                char name[64];

                put_family(output, instance_families[i].name,
                        instance_families[i].counter ? "counter" : "gauge", instance_families[i].help);
                snprintf(name, sizeof(name), "%s%s", instance_families[i].name,
                        instance_families[i].counter ? "_total" : "");
                LINK_FOREACH(at, &broker->instances)
                {
                        const struct instance *instance = LINK_OF(at, struct instance, link);

                        if (instance->config)
                                put_sample(output, name, "instance", instance->name,
                                        instance_value(broker, instance, i));
                }
        }
}

static void put_audit(const struct audit *audit, struct output *output)
{
        put_family(output, "audit_ok", "gauge", "Whether uses of keys are recorded, where they are to be.");
        output_format(output, "tokend_audit_ok %d\n", audit->ok);
        put_family(output, "audit_required", "gauge", "Whether what cannot be recorded is not done.");
        output_format(output, "tokend_audit_required %d\n", audit->required);
        put_family(output, "audit_lost", "counter", "Records that were given up.");
        output_format(output, "tokend_audit_lost_total %llu\n", U64(audit_lost(audit)));
        put_family(output, "audit_sequence", "gauge", "Number of the last record in the file.");
        output_format(output, "tokend_audit_sequence %llu\n", U64(audit->seq));
        put_family(output, "audit_signed_sequence", "gauge",
                "Number of the last record in the file whose head is signed.");
        output_format(output, "tokend_audit_signed_sequence %llu\n", U64(audit->signed_seq));
}

void metrics_put(struct broker *broker, struct output *output)
{
        output_format(output,
                "# TYPE tokend_build_info gauge\n# HELP tokend_build_info The "
                "version.\ntokend_build_info{version=\"%s\"} 1\n",
                TOKEND_VERSION);
        put_tokens(broker, output);
        put_roles(broker, output);
        put_states(broker, output);
        put_latency(broker, output, "device_seconds", "What the calls into the module took, of one request.",
                offsetof(struct token, device));
        put_latency(broker, output, "request_seconds", "From a request's arrival to its end.",
                offsetof(struct token, whole));
        put_instances(broker, output);
        put_audit(broker->audit, output);
        put_family(output, "strangers_denied", "counter", "Requests of callers that match no instance.");
        output_format(output, "tokend_strangers_denied_total %llu\n", U64(broker->strangers_denied));
        put_family(output, "broken_messages", "counter", "Messages that could not be read.");
        output_format(output, "tokend_broken_messages_total %llu\n# EOF\n", U64(broker->requests_broken));
}
