/* SPDX-License-Identifier: MPL-2.0 */
/* See status.h: the OpenMetrics text, one family after the other. */
#include "daemon/broker/methods/status.h"

#include "daemon/broker/audit/audit-broker.h"
#include "daemon/broker/methods/metric-text.h"
#include "daemon/broker/methods/metric-tokens.h"
#include "daemon/broker/model/registry.h"
#include "daemon/broker/op/op.h"

/* ---- instances ---- */

static uint64_t connections_of(struct broker *broker, const struct instance *instance)
{
        return instance->n_connections;
}

static uint64_t queued_of(struct broker *broker, const struct instance *instance)
{
        return registry_queued(broker, instance);
}

static uint64_t requests_of(struct broker *broker, const struct instance *instance)
{
        return instance->requests;
}

static uint64_t denied_of(struct broker *broker, const struct instance *instance)
{
        return instance->denied;
}

static uint64_t errors_of(struct broker *broker, const struct instance *instance)
{
        return instance->errors;
}

static const struct {
        const char *name, *help;
        bool counter;
        uint64_t (*value)(struct broker *broker, const struct instance *instance);
} instance_numbers[] = {
        {"instance_connections", "Connections open.", false, connections_of},
        {"instance_queued", "Requests that wait.", false, queued_of},
        {"instance_requests", "Requests.", true, requests_of},
        {"instance_denied", "Requests that policy refused.", true, denied_of},
        {"instance_errors", "Requests that ended with an error, denied ones apart.", true, errors_of},
};

static void put_instances(struct broker *broker, struct output *output)
{
        for (size_t i = 0; i < ARRAY_SIZE(instance_numbers); i++) {
                metric_family(output, instance_numbers[i].name,
                        instance_numbers[i].counter ? "counter" : "gauge", NULL, instance_numbers[i].help);
                LINK_FOREACH(at, &broker->instances)
                {
                        const struct instance *instance = LINK_OF(at, struct instance, link);

                        if (instance->config)
                                metric_sample(output, instance_numbers[i].name,
                                        instance_numbers[i].counter ? "_total" : "",
                                        LABELS({"instance", instance->name}),
                                        instance_numbers[i].value(broker, instance));
                }
        }
        metric_family(output, "instance_seconds", "histogram", "seconds",
                "From the arrival of a request of the instance to its reply.");
        LINK_FOREACH(at, &broker->instances)
        {
                const struct instance *instance = LINK_OF(at, struct instance, link);

                if (instance->config)
                        metric_histogram(
                                output, "instance_seconds", "instance", instance->name, &instance->whole);
        }
}

/* ---- the service ---- */

static void put_one(struct output *output, const char *name, const char *help, bool counter, uint64_t number)
{
        metric_family(output, name, counter ? "counter" : "gauge", NULL, help);
        metric_sample(output, name, counter ? "_total" : "", NO_LABELS, number);
}

static void put_answers(const struct broker *broker, struct output *output)
{
        metric_family(output, "answers", "counter", NULL,
                "Replies, by method and by what was said: ok, or the name of the error.");
        for (size_t i = 0; i < broker->n_methods; i++)
                for (unsigned error = PROTO_OK; error < PROTO_ERROR_MAX_; error++) {
                        uint64_t n = broker->answers[i * PROTO_ERROR_MAX_ + error];
                        const struct method *method = &broker->methods[i];

                        if (n > 0)
                                metric_sample(output, "answers", "_total",
                                        LABELS({"interface", method->interface}, {"method", method->name},
                                                {"result",
                                                        error == PROTO_OK ? "ok" : proto_error_name(error)}),
                                        n);
                }
}

static void put_audit(const struct audit *audit, struct output *output)
{
        put_one(output, "audit_ok", "Whether uses of keys are recorded, where they are to be.", false,
                audit->ok);
        put_one(output, "audit_required", "Whether what cannot be recorded is not done.", false,
                audit->required);
        put_one(output, "audit_lost", "Records that were given up.", true, audit_lost(audit));
        put_one(output, "audit_sequence", "Number of the last record in the file.", false, audit->seq);
        put_one(output, "audit_signed_sequence",
                "Number of the last record in the file whose head is signed.", false, audit->signed_seq);
}

void metrics_put(struct broker *broker, struct output *output)
{
        put_one(output, "up",
                "Whether the service answers: 1, or 0 in the text that stands for it when it does not.",
                false, 1);
        metric_family(output, "build_info", "gauge", NULL, "The version.");
        metric_sample(output, "build_info", "", LABELS({"version", TOKEND_VERSION}), 1);
        put_one(output, "start_time_seconds", "When the daemon started, in seconds since 1970.", false,
                broker->started_usec / USEC_PER_SEC);
        put_one(output, "config_ok",
                "Whether the files of the configuration, as they were read last, are in force.", false,
                broker->config_ok);
        metric_tokens_put(broker, output);
        put_instances(broker, output);
        put_answers(broker, output);
        put_audit(broker->audit, output);
        put_one(output, "strangers_denied", "Requests of callers that match no instance.", true,
                broker->strangers_denied);
        put_one(output, "broken_messages", "Messages that could not be read.", true, broker->requests_broken);
        output_text(output, "# EOF\n");
}
