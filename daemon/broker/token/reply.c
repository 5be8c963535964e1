/* SPDX-License-Identifier: MPL-2.0 */
/* See reply.h. */
#include "daemon/broker/token/reply.h"

#include <string.h>

#include "daemon/broker/token/outcome.h"
#include "daemon/broker/token/vanished.h"
#include "daemon/broker/token/verdict.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

/* When a worker that could not give its directory is asked again. */
#define RELOAD_USEC USEC_PER_SEC
/* No device call takes a day: what is longer is no measurement. */
#define DEVICE_USEC_MAX (UINT64_C(86400) * USEC_PER_SEC)
/* Deaths that one SETTLE may cause before the outcome counts as unknown. */
#define SETTLES_MAX 2U

/* ---- the worker is dead, or is about to end ---- */

static void unsettled(struct op *op)
{
        if (op->state == OP_SETTLING && ++op->n_settles >= SETTLES_MAX)
                backlog_end(op, END_OUTCOME_UNKNOWN);
        else
                backlog_unsettled(op);
}

void reply_lost(struct op *op, bool alone)
{
        if (op_is(op, CLASS_CHANGES))
                unsettled(op);
        else if (!op_is_wanted(op))
                backlog_end(op, END_WORKER_LOST); /* it is not repeated for nobody */
        else if (!op_is(op, CLASS_REPEATED) || op_is_tried(op))
                backlog_end(op, END_UNAVAILABLE);
        else if (op->suspect && alone) {
                op->ckr = 0;
                (void)verdict_learn(op->token, op, END_WORKER_LOST, now_usec());
                backlog_end(op, END_WORKER_LOST);
        } else
                backlog_suspect(op, 0);
}

/* A call of this op outlived Timeout=. Whether it may be tried once more, alone, and has the time. */
static bool may_hang_again(const struct token *token, const struct op *op)
{
        return op_is(op, CLASS_REPEATED) && !op->suspect && op_is_wanted(op) && !op_is_tried(op) &&
               op->deadline_usec >= now_usec() + token->config->timeout_usec;
}

static void hung(struct token *token, struct op *op)
{
        (void)verdict_learn(token, op, END_WORKER_LOST, now_usec());
        if (may_hang_again(token, op))
                backlog_suspect(op, 0);
        else
                backlog_end(op, END_WORKER_LOST);
}

/* The worker says that it ends itself, and whose request it was. */
static void ended_by(struct token *token, struct op *op, const struct message_reply *reply)
{
        char text[CKR_TEXT];

        op->worker->ending = true;
        log_warning("token %s: its worker ends itself: %s%s%s", token->name,
                reply->status == REPLY_WORKER_LOST ? "a call outlived its deadline"
                                                   : ckr_text(reply->ckr, text),
                reply->text[0] ? ": " : "", reply->text);
        op->ckr = reply->ckr;
        if (op_is(op, CLASS_CHANGES)) {
                /* What ended it is told, not what ended its SETTLE. */
                if (op->state == OP_OUT)
                        op->lost_ckr = reply->ckr;
                unsettled(op);
        } else if (reply->status == REPLY_WORKER_LOST)
                hung(token, op);
        else if (op->suspect || !op_is(op, CLASS_REPEATED) || !op_is_wanted(op) || op_is_tried(op)) {
                if (op->suspect)
                        (void)verdict_learn(token, op, END_WORKER_LOST, now_usec());
                backlog_end(op, END_CKR);
        } else
                backlog_suspect(op, reply->ckr);
}

/* ---- what became of an op whose worker died ---- */

static void end_lost(struct op *op)
{
        op->ckr = op->lost_ckr;
        backlog_end(op, op->lost_ckr ? END_CKR : END_WORKER_LOST);
}

/* The first that the directory settles; NULL: none. */
static struct op *settled_by_directory(struct token *token)
{
        LINK_FOREACH(at, &token->unsettled)
        {
                struct op *op = LINK_OF(at, struct op, link);

                if (!op_is(op, CLASS_SETTLED))
                        return op;
        }
        return NULL;
}

/* What became of those whose worker died: the directory of the next worker shows it. */
static void settle_by_directory(struct token *token)
{
        struct op *op;

        while ((op = settled_by_directory(token))) {
                if (outcome_is_done(token, op))
                        backlog_end(op, END_OK);
                else
                        end_lost(op);
        }
}

/* SETTLE's word on a generate or a delete that its worker did not live to answer. */
static int settled(struct token *token, struct op *op, const struct message_reply *reply)
{
        bool there = reply->status == REPLY_OK, gone = reply->status == REPLY_KEY_GONE;

        if (op->kind == MESSAGE_TYPE_GENERATE && there) {
                int r = outcome_take_key(token, op);

                if (r < 0)
                        return r;
                backlog_end(op, END_OK);
        } else if (op->kind == MESSAGE_TYPE_GENERATE && gone && op->lost_ckr && !op->suspect &&
                   op_is_wanted(op) && op->deadline_usec > now_usec()) {
                /* Nothing was made, and somebody waits for it: once more is not blindly. */
                backlog_suspect(op, op->lost_ckr);
        } else if (op->kind == MESSAGE_TYPE_DELETE && gone)
                backlog_end(op, END_OK);
        else if (there || gone)
                end_lost(op);
        else
                backlog_end(op, END_OUTCOME_UNKNOWN);
        return 0;
}

/* ---- the directory ---- */

/* The worker could not list the token's objects. Said once, until it can; and a token that is not ready before that says why. */
static void refresh_failed(struct token *token, const struct op *op)
{
        char name[CKR_TEXT];
        _cleanup_(freep) char *reason = text_format("its objects cannot be listed: %s",
                op->text && op->text[0] ? op->text : ckr_text(op->ckr, name));

        if (!reason)
                return;
        if (!token->unlisted)
                log_warning("token %s: %s; this is tried again every second", token->name, reason);
        token->unlisted = true;
        if (op->worker == token->worker && op->worker->phase == WORKER_LOADING) {
                free(token->reason);
                token->reason = TAKE_PTR(reason);
        }
}

void reply_serves(struct token *token)
{
        struct introduction *said = &token->worker->said;

        vanished_compare(token, token->directory, said->directory);
        directory_free(token->directory);
        token->directory = TAKE_PTR(said->directory);
        free(token->mechanisms.types);
        free(token->wraps.types);
        free(token->unwraps.types);
        claims_done(&token->claims);
        token->known = true;
        token->identity = said->identity;
        token->mechanisms = said->mechanisms;
        token->wraps = said->wraps;
        token->unwraps = said->unwraps;
        token->claims = said->claims;
        *said = (struct introduction){0};
        token->worker->phase = WORKER_SERVING;
        verdict_renew(token);
        settle_by_directory(token);
}

/* A newcomer has told what is on the token, or could not. */
static void load_done(struct worker *newcomer, bool ok)
{
        struct token *token = newcomer->token;

        if (ok) {
                newcomer->phase = WORKER_LOADED;
                uplink_serving(&token->broker->uplink, token->name, newcomer->life);
                return;
        }
        newcomer->load_due_usec = now_usec() + RELOAD_USEC;
        loop_arm(&token->broker->loop, newcomer->load_due_usec);
}

/* The token's new directory is here, or an old one is up to date. */
static void refresh_done(struct token *token, bool ok)
{
        uint64_t now = now_usec();

        token->refresh_due_usec = now + (ok ? token->config->refresh_usec : RELOAD_USEC);
        if (ok && token->worker->phase == WORKER_LOADING) {
                uplink_serving(&token->broker->uplink, token->name, token->worker->life);
                reply_serves(token);
        }
        if (ok) {
                token->refreshed_usec = token->refresh_sent_usec;
                token->unlisted = false;
        }
        loop_arm(&token->broker->loop, token->refresh_due_usec);
        if (token->worker->phase != WORKER_SERVING)
                return;
        /* What waits for a name waits for the look, too. */
        if (!token_is_unsure(token))
                backlog_wake(token);
        if (ok)
                token->broker->on_token(token, TOKEN_REFRESHED);
}

/* ---- replies ---- */

static const enum op_end ends[REPLY_STATUS_MAX_] = {
        [REPLY_OK] = END_OK,
        [REPLY_CKR] = END_CKR,
        [REPLY_KEY_GONE] = END_KEY_GONE,
        [REPLY_NICKNAME_EXISTS] = END_NICKNAME_EXISTS,
        [REPLY_NOT_SUPPORTED] = END_NOT_SUPPORTED,
        [REPLY_BUSY] = END_CKR,
        [REPLY_OUTCOME_UNKNOWN] = END_OUTCOME_UNKNOWN,
        [REPLY_INVALID] = END_INVALID,
        [REPLY_NOT_OUR_SEAL] = END_NOT_OUR_SEAL,
        [REPLY_NOT_ITS_USAGE] = END_NOT_ITS_USAGE,
        [REPLY_INTERNAL] = END_NO_MEMORY,
        /* REPLY_CLAIMED is not an end: backlog_pause(). */
};

static void count_reply(struct token *token, const struct op *op, const struct message_reply *reply)
{
        if (reply->status != REPLY_OK && reply->ckr != 0) {
                token->last_ckr = reply->ckr;
                token->last_ckr_usec = wall_usec();
        }
        if (!op_is(op, CLASS_REQUEST) || op->state == OP_SETTLING || reply->device_usec > DEVICE_USEC_MAX)
                return;
        histogram_add(&token->device, reply->device_usec);
        token->latency_usec =
                token->latency_usec ? (7 * token->latency_usec + reply->device_usec) / 8 : reply->device_usec;
}

/* What the directory is told at once. What else changed (a key's flags and name, say; the claims) is for the next refresh. */
static void follow(struct token *token, const struct op *op, enum op_end end)
{
        struct entry *deleted = NULL;

        if (end == END_OK && (op->kind == MESSAGE_TYPE_DELETE || op->kind == MESSAGE_TYPE_CERT_DELETE ||
                                     op->kind == MESSAGE_TYPE_SECRET_DELETE))
                deleted = directory_number(token->directory, op->object);
        /* Its DROP may have come before. What is the same and has another number is another copy. */
        if (deleted && entry_is_same(deleted, op->entry)) {
                token->broker->on_dropped(token, deleted);
                (void)directory_drop(token->directory, deleted->number);
        }
        if ((end == END_OK && op_is(op, CLASS_CHANGES) && !op_is(op, CLASS_SETTLED)) || end == END_KEY_GONE ||
                end == END_NICKNAME_EXISTS)
                token->refresh_wanted = true;
}

static int answered(struct token *token, struct op *op, const struct message_reply *reply)
{
        enum op_end end = ends[reply->status];
        bool changes = op_is(op, CLASS_CHANGES);
        int r = end == END_OK ? outcome_take(token, op) : 0;
        bool lost;

        if (r < 0)
                return r;
        lost = !op->worker->leaving && verdict_learn(token, op, end, now_usec());
        if (lost && !op->suspect && op_is(op, CLASS_REPEATED) && op_is_wanted(op)) {
                backlog_suspect(op, reply->ckr);
                return REPLY_LOST;
        }
        follow(token, op, end);
        /* The worker has told by now that it does not see the object: its refresh came first. */
        if (end == END_KEY_GONE && token_is_unsure(token) && op_is_wanted(op) && op_is(op, CLASS_OBJECT))
                backlog_first(token, op);
        else
                backlog_end(op, end);
        if (end == END_OUTCOME_UNKNOWN)
                token->broker->on_token(token, TOKEN_UNSURE);
        else if (changes)
                token->broker->on_token(token, TOKEN_CHANGED);
        return lost ? REPLY_LOST : 0;
}

static struct slot *slot_of_number(struct worker *worker, uint64_t number)
{
        for (size_t i = 0; i < ARRAY_SIZE(worker->slots) && number != 0; i++)
                if (worker->slots[i].number == number)
                        return &worker->slots[i];
        return NULL;
}

/* A request of a broker before this one: its thread is free now, and that is all. */
static int take_old(struct worker *worker, const struct message_reply *reply)
{
        if (reply->request >> 32 >= worker->epoch)
                return -EBADMSG;
        if (worker->busy > 0)
                worker->busy--;
        return 0;
}

/* Of a REFRESH. 0, or REPLY_LOST. */
static int refreshed(struct worker *worker, struct op *op, const struct message_reply *reply)
{
        struct token *token = worker->token;
        bool ok = reply->status == REPLY_OK, newcomer = worker_is_newcomer(worker);
        int r = 0;

        if (worker == token->worker) {
                r = verdict_learn(token, op, ends[reply->status], now_usec()) ? REPLY_LOST : 0;
                token->refresh_ckr = ok ? token->refresh_ckr : reply->ckr;
        }
        if (!ok && !worker->leaving)
                refresh_failed(token, op);
        backlog_end(op, END_OK);
        if (worker == token->worker)
                refresh_done(token, ok);
        else if (newcomer)
                load_done(worker, ok);
        return r;
}

int reply_take(struct worker *worker, struct wire *wire)
{
        struct token *token = worker->token;
        struct message_reply reply;
        struct slot *slot;
        struct op *op;
        int r = 0;

        if (message_get_reply(wire, &reply) < 0 || reply.status == 0 || reply.status >= REPLY_STATUS_MAX_ ||
                worker->phase == WORKER_GREETED)
                return -EBADMSG;
        worker->stalled = false;
        worker->n_late = 0;
        slot = slot_of_number(worker, reply.request);
        if (!slot)
                return take_old(worker, &reply);
        if (!slot->op) {
                *slot = (struct slot){0};
                worker->n_out--;
                return 0;
        }
        /* Its bytes are the buffer's, which the next message takes. */
        op = op_ref(slot->op);
        count_reply(token, op, &reply);
        op->ckr = reply.ckr;
        op->device_usec = reply.device_usec;
        op->payload = reply.payload;
        op->text = text_is_utf8(reply.text, strlen(reply.text)) ? reply.text : NULL;
        op->refused = reply.parameter;
        if (reply.status == REPLY_DEVICE_LOST || reply.status == REPLY_PIN ||
                reply.status == REPLY_WORKER_LOST)
                ended_by(token, op, &reply);
        else if (reply.status == REPLY_CLAIMED && op_is(op, CLASS_NAMES) && op->state == OP_OUT)
                backlog_pause(token, op);
        else if (reply.status == REPLY_CLAIMED)
                r = -EBADMSG;
        else if (op->state == OP_SETTLING)
                r = settled(token, op, &reply);
        else if (op->kind == MESSAGE_TYPE_REFRESH)
                r = refreshed(worker, op, &reply);
        else
                r = answered(token, op, &reply);
        op->payload = wire_bytes(NULL, 0);
        op->text = op->refused = NULL;
        op_unref(op);
        return r;
}
