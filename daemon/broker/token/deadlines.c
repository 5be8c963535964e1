/* SPDX-License-Identifier: MPL-2.0 */
/* See deadlines.h. */
#include "daemon/broker/token/deadlines.h"

#include "daemon/broker/token/backlog.h"

struct tick {
        uint64_t now, next;
        struct link due;
};

/* Takes what is due out of its list: while these end, lists may change. */
static void collect_due(struct tick *tick, struct op *op)
{
        uint64_t due = op_due_usec(op);

        if (due > tick->now) {
                tick->next = MIN_OF(tick->next, due);
                return;
        }
        if (op->state == OP_QUEUED)
                queue_remove(&op->at->queue, &op->item);
        link_remove(&op->link);
        link_append(&tick->due, &op->link);
}

static void collect_due_item(struct queue_item *item, void *userdata)
{
        collect_due(userdata, LINK_OF(item, struct op, item));
}

static void collect_due_list(struct tick *tick, struct link *list)
{
        LINK_FOREACH_SAFE(at, list)
        {
                collect_due(tick, LINK_OF(at, struct op, link));
        }
}

static void resume_paused(struct token *token, struct tick *tick)
{
        LINK_FOREACH_SAFE(at, &token->paused)
        {
                struct op *op = LINK_OF(at, struct op, link);

                if (op->resume_usec > tick->now)
                        tick->next = MIN_OF(tick->next, op->resume_usec);
                else
                        backlog_queue(token, op, false);
        }
}

/* What is out, or to be settled, stays: only who waits for it is told. An accelerator's time for a try is another thing. */
static void tick_out(struct tick *tick, struct op *op)
{
        if (!op_is_wanted(op) || (!op->then && !op_is_tried(op)))
                return;
        if (op_due_usec(op) > tick->now)
                tick->next = MIN_OF(tick->next, op_due_usec(op));
        else if (op_is_tried(op))
                backlog_abandon(op, END_DEADLINE_EXECUTED);
        else
                backlog_answer(op, op->state == OP_OUT ? END_DEADLINE_EXECUTED : END_OUTCOME_UNKNOWN);
}

uint64_t deadlines_tick(struct token *token, uint64_t now)
{
        struct tick tick = {.now = now, .next = USEC_NEVER};
        /* What a deadline says of an op that was not sent. */
        enum op_end late = token->worker->phase == WORKER_SERVING ? END_DEADLINE : END_UNAVAILABLE;

        link_init(&tick.due);
        queue_each(&token->queue, collect_due_item, &tick);
        collect_due_list(&tick, &token->first);
        collect_due_list(&tick, &token->paused);
        collect_due_list(&tick, &token->waiting);
        collect_due_list(&tick, &token->asked);
        backlog_end_list(&tick.due, late);
        resume_paused(token, &tick);
        LINK_FOREACH_SAFE(unsettled, &token->unsettled)
        {
                tick_out(&tick, LINK_OF(unsettled, struct op, link));
        }
        for (size_t i = 0; i < ARRAY_SIZE(token->workers); i++)
                for (size_t j = 0; j < ARRAY_SIZE(token->workers[i].slots); j++)
                        if (token->workers[i].slots[j].op)
                                tick_out(&tick, token->workers[i].slots[j].op);
        return tick.next;
}
