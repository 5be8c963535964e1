/* SPDX-License-Identifier: MPL-2.0 */
/* See live.h. */
#include "daemon/broker/token/live.h"

#include <string.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/token/deadlines.h"
#include "daemon/broker/token/newcomer.h"
#include "daemon/broker/token/pump.h"
#include "daemon/broker/token/vanished.h"
#include "daemon/broker/token/verdict.h"
#include "daemon/broker/token/worker.h"

/* A miss asks for at most one refresh in this time. */
#define MISS_USEC USEC_PER_SEC

static void token_free(struct token *token)
{
        worker_detach(token->worker);
        worker_detach(token->other);
        claims_done(&token->claims);
        queue_done(&token->queue);
        vanished_forget(token);
        directory_free(token->directory);
        verdict_forget(token);
        link_remove(&token->link);
        free(token->mechanisms.types);
        free(token->wraps.types);
        free(token->unwraps.types);
        free(token->reason);
        free(token->name);
        free(token);
}

void tokens_free(struct broker *broker, struct link *gone)
{
        LINK_FOREACH(going, gone)
        {
                LINK_OF(going, struct token, link)->going = true;
        }
        /* What is with an accelerator is its own token's. An accelerator that goes sends home what it has, to a token that stays. */
        LINK_FOREACH(staying, &broker->tokens)
        {
                backlog_remove_homeless(LINK_OF(staying, struct token, link));
        }
        LINK_FOREACH(homeless, gone)
        {
                backlog_remove_homeless(LINK_OF(homeless, struct token, link));
        }
        LINK_FOREACH(ending, gone)
        {
                struct token *token = LINK_OF(ending, struct token, link);

                backlog_remove(token);
                broker->on_token(token, TOKEN_GOES);
        }
        while (!link_is_empty(gone))
                token_free(LINK_OF(gone->next, struct token, link));
}

int token_new(struct broker *broker, const struct config_token *config, struct token **ret)
{
        struct token *token = calloc(1, sizeof(*token));

        if (!token)
                return -ENOMEM;
        link_init(&token->link);
        link_init(&token->first);
        link_init(&token->waiting);
        link_init(&token->held);
        link_init(&token->paused);
        link_init(&token->unsettled);
        link_init(&token->asked);
        link_init(&token->copies);
        queue_init(&token->queue);
        token->broker = broker;
        token->config = config;
        token->state = TOKEN_STARTING;
        token->since_usec = wall_usec();
        token->worker = &token->workers[0];
        token->other = &token->workers[1];
        token->worker->token = token->other->token = token;
        token->worker->load_due_usec = token->other->load_due_usec = USEC_NEVER;
        token->worker->fd = token->other->fd = token->look.fd = -1;
        token->refresh_due_usec = USEC_NEVER;
        token->name = strdup(config->name);
        token->reason = strdup("");
        if (!token->name || !token->reason) {
                token_free(token);
                return -ENOMEM;
        }
        *ret = token;
        return 0;
}

/* ---- ops ---- */

void token_submit(struct token *at, struct op *op)
{
        bool probes = op->kind == MESSAGE_TYPE_PROBE;
        enum op_end end;

        op->at = at;
        at->requests += op_is(op, CLASS_REQUEST);
        if (verdict_stands(at, op, now_usec(), &end)) {
                backlog_end(op, end);
                return;
        }
        /* A probe asks the device of now: it does not wait for another worker. */
        if (!token_has_hope(at) || (probes && at->worker->phase != WORKER_SERVING)) {
                backlog_end(op, END_UNAVAILABLE);
                return;
        }
        loop_arm(&at->broker->loop, op_due_usec(op));
        if (op_is(op, CLASS_REQUEST) && op->instance)
                backlog_queue(at, op, true);
        else
                backlog_first(at, op);
        /* At once, so that what a free session takes does not count as waiting. */
        pump(at);
}

void token_wait(struct token *token, struct op *op)
{
        op->at = token;
        if (!token_has_hope(token)) {
                backlog_end(op, END_UNAVAILABLE);
                return;
        }
        loop_arm(&token->broker->loop, op->deadline_usec);
        backlog_wait(token, op);
}

/* ---- the directory ---- */

bool token_refresh(struct token *token)
{
        if (!token_has_hope(token))
                return false;
        token->refresh_wanted = true;
        token->dirty = token->broker->tokens_dirty = true;
        return true;
}

bool token_missed(struct token *token)
{
        if (!token->directory || token->worker->phase != WORKER_SERVING)
                return token_has_hope(token);
        if (token_is_unsure(token) || token->refresh_wanted ||
                worker_has_out(token->worker, MESSAGE_TYPE_REFRESH))
                return true;
        return now_usec() - token->refresh_sent_usec >= MISS_USEC && token_refresh(token);
}

/* ---- state and time ---- */

void token_set_state(struct token *token, const struct message_token *message)
{
        bool was_refused = token->state == TOKEN_FAILED && token->end == WORKER_END_PIN;
        char *reason = strdup(message->reason);

        if (reason) {
                free(token->reason);
                token->reason = reason;
        }
        /* A broker before this one may have recorded it. */
        if (message->state == TOKEN_FAILED && message->end == WORKER_END_PIN && !was_refused &&
                message->since_usec >= token->broker->begun_usec)
                audit_login(token->broker->audit, token->name, false, message->reason);
        token->state = message->state;
        token->since_usec = message->since_usec;
        token->restarts = message->restarts;
        if (message->end || message->state == TOKEN_READY)
                token->end = message->end;
        if (!token_has_hope(token))
                backlog_give_up(token);
}

void token_maintained(struct token *token, const struct message_maintained *message)
{
        LINK_FOREACH_SAFE(at, &token->asked)
        {
                struct op *op = LINK_OF(at, struct op, link);

                if (op->cookie > message->number)
                        continue;
                op->text = message->reason;
                backlog_end(op, message->done ? END_OK : END_UNAVAILABLE);
        }
}

uint64_t token_tick(struct token *token, uint64_t now)
{
        uint64_t next = deadlines_tick(token, now), closed, newcomer;

        if (token->refresh_due_usec <= now) {
                token->refresh_wanted = true;
                token->refresh_due_usec = now + token->config->refresh_usec;
        }
        closed = worker_tick(token, now);
        next = MIN_OF(next, closed);
        newcomer = newcomer_tick(token, now);
        next = MIN_OF(next, newcomer);
        pump(token);
        return MIN_OF(next, token->refresh_due_usec);
}
