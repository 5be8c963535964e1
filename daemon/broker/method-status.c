/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Status. Reads what the broker knows by itself, and never waits; only Probe asks a device. */
#include "daemon/broker/dispatch.h"
#include "daemon/broker/parameters.h"
#include "daemon/broker/status.h"
#include "daemon/util/ckr.h"

/* How long a device may take for the one call of a Probe. */
#define PROBE_USEC (5 * USEC_PER_SEC)

void status_get(struct request *request)
{
        request_done(request);
}

enum render status_get_render(struct request *request, struct output *output)
{
        status_put(request->connection->broker, output);
        return RENDER_LAST;
}

enum render status_metrics_render(struct request *request, struct output *output)
{
        struct output text = {0};

        metrics_put(request->connection->broker, &text);
        output_bytes(&text, "", 1);
        output_text(output, "{\"openMetrics\":");
        output_string(output, text.data ? text.data : "");
        output_text(output, "}");
        output->failed |= text.failed;
        output_done(&text);
        return RENDER_LAST;
}

void status_watch(struct request *request)
{
        if (request->more)
                request_done(request);
        else
                request_fail(request, PROTO_EXPECTED_MORE, NULL);
}

enum render status_watch_render(struct request *request, struct output *output)
{
        struct watch_parameters *p = (struct watch_parameters *)(void *)request->parameters;
        struct broker *broker = request->connection->broker;

        status_put(broker, output);
        request->next_usec = now_usec() + (uint64_t)p->interval_ms * USEC_PER_MSEC;
        broker_arm(broker, request->next_usec);
        return RENDER_LATER;
}

static void probe_done(struct request *request, struct token *token, const struct job_result *result)
{
        /* A worker that says no names its reason; one that says nothing at all has none. */
        if (result->end == JOB_OK || result->end == JOB_CKR)
                request->probe_ckr = result->ckr;
        request->probe_ok = result->end == JOB_OK;
        if (result->end == JOB_UNAVAILABLE)
                request->probe_ckr = token->last_ckr;
        request->probe_usec = result->end == JOB_OK || result->end == JOB_CKR ? result->device_usec : 0;
        if (result->end == JOB_DEADLINE || result->end == JOB_DEADLINE_EXECUTED)
                request->probe_usec = PROBE_USEC;
        request_done(request);
}

void status_probe(struct request *request)
{
        struct probe_parameters *p = (struct probe_parameters *)(void *)request->parameters;
        struct connection *c = request->connection;
        struct token *token = broker_token(c->broker, p->token);
        struct job *job;

        if (c->caller.uid != 0 && c->caller.uid != c->broker->own_uid) {
                request_denied(request, "probe");
                return;
        }
        if (!token) {
                request_fail_with(request, PROTO_TOKEN_NOT_FOUND, "token", p->token);
                return;
        }
        job = job_new(JOB_PROBE);
        if (!job) {
                c->gone = true;
                return;
        }
        request->deadline_usec = request->received_usec + PROBE_USEC;
        request_submit(request, token, job, probe_done);
}

enum render status_probe_render(struct request *request, struct output *output)
{
        char text[CKR_TEXT];

        output_format(output, "{\"ok\":%s", request->probe_ok ? "true" : "false");
        if (!request->probe_ok && request->probe_ckr)
                output_format(output, ",\"ckr\":\"%s\"", ckr_text(request->probe_ckr, text));
        output_format(output, ",\"latencyUSec\":%llu}", (unsigned long long)request->probe_usec);
        return RENDER_LAST;
}
