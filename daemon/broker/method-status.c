/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Status. Reads what the broker knows by itself, and never waits; only Probe asks a device. */
#include "gen/broker/methods.h"

#include <string.h>

#include "daemon/broker/status.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

/* How long a device may take for the one call of a Probe. */
#define PROBE_USEC (5 * USEC_PER_SEC)

void status_get(struct request *request)
{
        request_done(request);
}

void status_metrics(struct request *request)
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
        status_metrics_reply_put(output, &(struct status_metrics_reply){text.data ? text.data : ""});
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
        struct status_watch_parameters *p = (void *)request->parameters;
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

/* Whether it is root or the daemon's own user who asks, and of which token; NULL: the request has failed. */
static struct token *operators_token(struct request *request, const char *operation, const char *name)
{
        struct connection *c = request->connection;
        struct token *token = broker_token(c->broker, name);

        if (c->caller.uid != 0 && c->caller.uid != c->broker->own_uid) {
                request_denied(request, operation);
                return NULL;
        }
        if (!token)
                request_fail_with(request, PROTO_TOKEN_NOT_FOUND, "token", name);
        return token;
}

void status_probe(struct request *request)
{
        struct status_probe_parameters *p = (void *)request->parameters;
        struct token *token = operators_token(request, "probe", p->token);
        struct job *job;

        if (!token)
                return;
        job = job_new(JOB_PROBE);
        if (!job) {
                request->connection->gone = true;
                return;
        }
        request->deadline_usec = request->received_usec + PROBE_USEC;
        request_submit(request, token, job, probe_done);
}

enum render status_probe_render(struct request *request, struct output *output)
{
        bool has_ckr = !request->probe_ok && request->probe_ckr;
        char text[CKR_TEXT];

        status_probe_reply_put(output, &(struct status_probe_reply){
                                               .ok = request->probe_ok,
                                               .ckr = has_ckr ? ckr_text(request->probe_ckr, text) : NULL,
                                               .latency_usec = request->probe_usec,
                                       });
        return RENDER_LAST;
}

/* ---- RemoveClaim ---- */

static void fail_claim(struct request *request, const struct status_remove_claim_parameters *p)
{
        struct output output = {0};

        output_text(&output, "{\"token\":");
        output_string(&output, p->token);
        output_text(&output, ",\"nickname\":");
        output_string(&output, p->nickname);
        output_text(&output, ",\"claimant\":");
        output_string(&output, p->claimant);
        output_bytes(&output, "}", 2);
        if (output.failed)
                output_done(&output);
        request_fail(request, PROTO_CLAIM_NOT_FOUND, output.data);
}

static void remove_claim_done(struct request *request, struct token *token, const struct job_result *result)
{
        struct status_remove_claim_parameters *p = (void *)request->parameters;

        if (result->end == JOB_KEY_GONE) {
                fail_claim(request, p);
                return;
        }
        if (result->end != JOB_OK) {
                request_fail_job(request, token, result);
                return;
        }
        log_notice("token %s: the claim of %s on \"%s\" was removed by uid %u", token->name, p->claimant,
                p->nickname, (unsigned)request->connection->caller.uid);
        request_done(request);
}

/* Hexadecimal digits of either case, for at most size bytes. 0: the text is something else. */
static size_t parse_hex(const char *text, unsigned char *ret, size_t size)
{
        size_t n = strlen(text);

        return n % 2 == 0 && n / 2 <= size && text_unhex(text, n / 2, ret) ? n / 2 : 0;
}

void status_remove_claim(struct request *request)
{
        struct status_remove_claim_parameters *p = (void *)request->parameters;
        struct token *token = operators_token(request, "remove-claim", p->token);
        unsigned char claimant[128];
        size_t n = parse_hex(p->claimant, claimant, sizeof(claimant));
        struct job *job;

        if (!token)
                return;
        if (n == 0) {
                request_invalid(request, "claimant");
                return;
        }
        request->key = p->nickname;
        request->algorithm = "";
        request->invalid = "nickname";
        job = job_new(JOB_UNCLAIM);
        if (job) {
                job->nickname = strdup(p->nickname);
                job->data = malloc(n);
        }
        if (!job || !job->nickname || !job->data) {
                job_free(job);
                request_fail_job(request, token, &(struct job_result){.end = JOB_NO_MEMORY});
                return;
        }
        memcpy(job->data, claimant, n);
        job->n_data = n;
        request_submit(request, token, job, remove_claim_done);
}
