/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Status. Reads what the broker knows by itself, and never waits; only Probe asks a device. */
#include <string.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/methods/status.h"
#include "daemon/broker/methods/steps.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"
#include "gen/broker/methods/methods.h"

/* How long a device may take for the one call of a Probe. */
#define PROBE_USEC (5 * USEC_PER_SEC)
/* Bytes of a claimant; ours have 32. */
#define CLAIMANT_BYTES 128U

void status_get(struct op *op)
{
        op_done(op);
}

void status_metrics(struct op *op)
{
        op_done(op);
}

enum render status_get_render(struct op *op, struct output *output)
{
        status_put(op->broker, output);
        return RENDER_LAST;
}

enum render status_metrics_render(struct op *op, struct output *output)
{
        struct output text = {0};

        metrics_put(op->broker, &text);
        output_bytes(&text, "", 1);
        status_metrics_reply_put(output, &(struct status_metrics_reply){text.data ? text.data : ""});
        output->failed |= text.failed;
        output_done(&text);
        return RENDER_LAST;
}

void status_watch(struct op *op)
{
        if (op->more)
                op_done(op);
        else
                op_fail(op, PROTO_EXPECTED_MORE, NULL);
}

enum render status_watch_render(struct op *op, struct output *output)
{
        struct status_watch_parameters *p = (void *)op->parameters;
        struct broker *broker = op->broker;

        status_put(broker, output);
        op->next_usec = now_usec() + (uint64_t)p->interval_ms * USEC_PER_MSEC;
        loop_arm(&broker->loop, op->next_usec);
        return RENDER_LATER;
}

bool find_operators_token(struct op *op, const char *operation, const char *name)
{
        if (!op_is_operators(op))
                return op_denied(op, operation, DENIAL_NOT_OPERATOR);
        op->token = registry_token(op->broker, name);
        if (!op->token)
                op_fail_with(op, PROTO_TOKEN_NOT_FOUND, "token", name);
        return op->token != NULL;
}

/* Why a Probe is not well. NULL: no memory. */
static char *probe_reason(const struct op *op)
{
        const struct token *token = op->token;
        char ckr[CKR_TEXT];

        switch (op->end) {
        case END_CKR:
                return text_format("the device answered %s%s%s", ckr_text(op->ckr, ckr),
                        op->text && *op->text ? ": " : "", op->text ? op->text : "");
        case END_DEADLINE:
        case END_DEADLINE_EXECUTED:
                return text_format(
                        "the device did not answer within %u s", (unsigned)(PROBE_USEC / USEC_PER_SEC));
        case END_WORKER_LOST:
                return text_format("the worker of the token ended before the device answered");
        default:
                return text_format("the token is %s%s%s", token_state_name(token->state),
                        *token->reason ? ": " : "", token->reason);
        }
}

/* What a Probe answers, whatever became of it: its end, ckr and device_usec are rendered. */
static void probe_done(struct op *op)
{
        bool asked = op->end == END_OK || op->end == END_CKR;

        if (op->end == END_UNRECORDED) {
                op_finish(op);
                return;
        }
        /* A worker that says no names its reason; one that says nothing at all has none. */
        if (!asked)
                op->ckr = op->end == END_UNAVAILABLE ? op->token->last_ckr : 0;
        if (!asked)
                op->device_usec =
                        op->end == END_DEADLINE || op->end == END_DEADLINE_EXECUTED ? PROBE_USEC : 0;
        if (op->end != END_OK)
                op->reply_text = probe_reason(op);
        op_done(op);
}

void status_probe(struct op *op)
{
        const struct status_probe_parameters *p = (void *)op->parameters;

        if (!find_operators_token(op, "probe", p->token))
                return;
        op->kind = MESSAGE_TYPE_PROBE;
        op->deadline_usec = op->received_usec + PROBE_USEC;
        op_submit(op, probe_done);
}

enum render status_probe_render(struct op *op, struct output *output)
{
        bool ok = op->end == END_OK, has_ckr = !ok && op->ckr;
        char text[CKR_TEXT];

        status_probe_reply_put(output, &(struct status_probe_reply){
                                               .ok = ok,
                                               .ckr = has_ckr ? ckr_text(op->ckr, text) : NULL,
                                               .latency_usec = op->device_usec,
                                               .reason = ok ? NULL : op->reply_text,
                                       });
        return RENDER_LAST;
}

/* ---- RotateAudit ---- */

void status_rotate_audit(struct op *op)
{
        const struct audit *audit = op->broker->audit;
        uid_t uid = op->caller->uid;

        if (uid != 0 && uid != op->broker->own_uid) {
                op_denied(op, "rotate-audit", DENIAL_NOT_OPERATOR);
                return;
        }
        if (audit->mode != AUDIT_MODE_FILE || !audit->ok) {
                op_fail_with(op, PROTO_AUDIT_UNAVAILABLE, "reason",
                        audit->mode != AUDIT_MODE_FILE ? "Audit= names no file" : audit->reason);
                return;
        }
        uplink_audit_rotate(&op->broker->uplink);
        op_done(op);
}

/* ---- MakeAnew ---- */

void status_make_anew(struct op *op)
{
        const struct status_make_anew_parameters *p = (void *)op->parameters;

        if (!find_operators_token(op, "make-anew", p->token))
                return;
        if (op->token->state != TOKEN_FAILED || op->token->end != WORKER_END_STORE) {
                op_invalid(op, "token",
                        "expected an internal token that has failed because its databases are gone");
                return;
        }
        log_notice("token %s: uid %u says that its databases are to be made anew", op->token->name,
                (unsigned)op->caller->uid);
        uplink_make_anew(&op->broker->uplink, op->token->name);
        op_done(op);
}

/* ---- RemoveClaim ---- */

static void fail_claim(struct op *op, const struct status_remove_claim_parameters *p)
{
        struct output output = {0};

        output_text(&output, "{");
        output_pair(&output, "token", p->token);
        output_pair(&output, "nickname", p->nickname);
        output_pair(&output, "claimant", p->claimant);
        output_text(&output, "}");
        op_fail_output(op, PROTO_CLAIM_NOT_FOUND, &output);
}

static void remove_claim_done(struct op *op)
{
        const struct status_remove_claim_parameters *p = (void *)op->parameters;

        if (op->end == END_KEY_GONE) {
                fail_claim(op, p);
                return;
        }
        if (op->end == END_OK)
                log_notice("token %s: the claim of %s on \"%s\" was removed by uid %u", op->token->name,
                        p->claimant, p->nickname, (unsigned)op->caller->uid);
        op_finish(op);
}

void status_remove_claim(struct op *op)
{
        const struct status_remove_claim_parameters *p = (void *)op->parameters;
        size_t n = strlen(p->claimant) / 2;

        if (!find_operators_token(op, "remove-claim", p->token))
                return;
        op->buffer = malloc(n + 1);
        if (!op->buffer) {
                op_refuse(op, END_NO_MEMORY);
                return;
        }
        if (n == 0 || n > CLAIMANT_BYTES || strlen(p->claimant) != 2 * n ||
                !text_unhex(p->claimant, n, op->buffer)) {
                op_invalid(op, "claimant", "expected hexadecimal digits, as the status shows them");
                return;
        }
        op->key = op->nickname = p->nickname;
        op->algorithm = "";
        op->invalid = "nickname";
        op->kind = MESSAGE_TYPE_UNCLAIM;
        op->input.unclaim =
                (struct message_unclaim){.nickname = p->nickname, .claimant = wire_bytes(op->buffer, n)};
        op_submit(op, remove_claim_done);
}
