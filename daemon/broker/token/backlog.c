/* SPDX-License-Identifier: MPL-2.0 */
/* See backlog.h. */
#include "daemon/broker/token/backlog.h"

#include <limits.h>
#include <sys/random.h>

#include "daemon/broker/op/record.h"

/* ---- places ---- */

static struct slot *slot_of(const struct op *op)
{
        struct worker *worker = op->worker;

        for (size_t i = 0; i < ARRAY_SIZE(worker->slots); i++)
                if (worker->slots[i].op == op)
                        return &worker->slots[i];
        return NULL;
}

static void free_slot(struct op *op)
{
        *slot_of(op) = (struct slot){0};
        op->worker->n_out--;
        op->worker = NULL;
}

static void stir(struct token *token)
{
        token->dirty = token->broker->tokens_dirty = true;
}

/* Out of its place, whose reference the caller gets. An op that is in none gets one more. */
static struct op *leave(struct op *op)
{
        switch (op->state) {
        case OP_OUT:
        case OP_SETTLING:
                free_slot(op);
                break;
        case OP_QUEUED:
                queue_remove(&op->at->queue, &op->item);
                link_remove(&op->link);
                break;
        case OP_WAITING:
        case OP_HELD:
        case OP_FIRST:
        case OP_PAUSED:
        case OP_ASKED:
        case OP_UNSETTLED:
                link_remove(&op->link);
                break;
        default:
                return op_ref(op);
        }
        if (op->reservation)
                queue_release(TAKE_PTR(op->reservation));
        op->state = OP_AT_HAND;
        stir(op->at);
        return op;
}

static void enter(struct op *op, struct token *at, struct link *list, enum op_state state)
{
        (void)leave(op);
        op->at = at;
        op->state = state;
        if (list)
                link_append(list, &op->link);
        stir(at);
}

/* A reload may have taken the instance away: what it was let do goes on. */
static unsigned weight_of(const struct op *op)
{
        return op->instance && op->instance->config ? op->instance->config->weight : 1;
}

static unsigned max_queued_of(const struct op *op)
{
        return op->instance && op->instance->config ? op->instance->config->max_queued : UINT_MAX;
}

void backlog_queue(struct token *at, struct op *op, bool bounded)
{
        int r;

        enter(op, at, NULL, OP_QUEUED);
        op->item.slow = op_is(op, CLASS_CHANGES);
        r = queue_push(
                &at->queue, op->instance, weight_of(op), bounded ? max_queued_of(op) : UINT_MAX, &op->item);
        if (r != 0)
                backlog_end(op, r < 0 ? END_NO_MEMORY : END_FULL);
}

/* A place among what its instance has waiting, for an op that waits elsewhere. Whether it got one; else it has ended. */
static bool reserve(struct token *token, struct op *op, bool bounded)
{
        int r = queue_reserve(&token->queue, op->instance, weight_of(op),
                bounded ? max_queued_of(op) : UINT_MAX, &op->reservation);

        if (r != 0)
                backlog_end(op, r < 0 ? END_NO_MEMORY : END_FULL);
        return r == 0;
}

void backlog_wait(struct token *token, struct op *op)
{
        enter(op, token, &token->waiting, OP_WAITING);
        (void)reserve(token, op, true);
}

void backlog_hold(struct token *token, struct op *op)
{
        enter(op, token, &token->held, OP_HELD);
}

void backlog_ask(struct token *token, struct op *op)
{
        enter(op, token, &token->asked, OP_ASKED);
}

void backlog_first(struct token *at, struct op *op)
{
        enter(op, at, &at->first, OP_FIRST);
}

void backlog_unsettled(struct op *op)
{
        enter(op, op->at, &op->at->unsettled, OP_UNSETTLED);
}

void backlog_suspect(struct op *op, uint64_t ckr)
{
        op->at->n_suspects += !op->suspect;
        op->suspect = true;
        op->lost_ckr = ckr;
        backlog_first(op->at, op);
}

void backlog_out(struct op *op, struct worker *worker, uint64_t number, enum message_type kind)
{
        struct slot *slot = worker->slots;

        enter(op, op->at, NULL, kind == MESSAGE_TYPE_SETTLE ? OP_SETTLING : OP_OUT);
        while (slot->number != 0)
                slot++;
        *slot = (struct slot){.number = number, .kind = kind, .op = op};
        op->worker = worker;
        worker->n_out++;
        op->attempt += kind != MESSAGE_TYPE_SETTLE;
}

struct op *backlog_take(struct op *op)
{
        return leave(op);
}

/* ---- claims of other hosts ---- */

/* The first pause is about PAUSE_USEC; each is twice the one before, up to PAUSE_MAX_USEC. */
#define PAUSE_USEC     (50 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (2 * USEC_PER_SEC)

/* At random, so that two hosts do not meet again and again: half of it to one and a half. */
static uint64_t pause_usec(unsigned n_claimed)
{
        uint64_t usec = n_claimed < 6 ? PAUSE_USEC << (n_claimed - 1) : PAUSE_MAX_USEC;
        uint32_t random;

        usec = MIN_OF(usec, PAUSE_MAX_USEC);
        /* Without a random number half of the range will do: the worker draws at random too. */
        if (getrandom(&random, sizeof(random), 0) < 0)
                random = UINT32_MAX / 2;
        return usec / 2 + usec * random / UINT32_MAX;
}

void backlog_pause(struct token *token, struct op *op)
{
        if (!op_is_wanted(op)) {
                backlog_end(op, END_DROPPED);
                return;
        }
        enter(op, token, &token->paused, OP_PAUSED);
        if (!reserve(token, op, false))
                return;
        op->n_claimed++;
        op->resume_usec = now_usec() + pause_usec(op->n_claimed);
        loop_arm(&token->broker->loop, op->resume_usec);
}

/* ---- the end ---- */

static bool end_is_error(enum op_end end)
{
        return end == END_CKR || end == END_UNAVAILABLE || end == END_DEADLINE ||
               end == END_DEADLINE_EXECUTED || end == END_WORKER_LOST || end == END_OUTCOME_UNKNOWN;
}

_Static_assert(END_NO_MEMORY + 1 == TOKEN_ENDS, "token.h counts the ends");

static void count_end(struct op *op, enum op_end end)
{
        struct token *at = op->at;

        if (!op_is(op, CLASS_REQUEST) || !op_is_wanted(op) || op->state == OP_WAITING)
                return;
        histogram_add(&at->whole, now_usec() - op->received_usec);
        at->errors += end_is_error(end);
        at->ends[op->kind][end]++;
}

/* The op's stay is over: the records are told where its client was answered before. */
static void left(struct op *op, bool answered)
{
        if (answered)
                record_late_end(op);
        if (op->state != OP_AT_HAND)
                return;
        op->state = OP_ENDED;
        op->token = op->at = NULL;
}

void backlog_end(struct op *op, enum op_end end)
{
        _cleanup_(op_unrefp) struct op *held = NULL;
        bool answered = op->answered;

        if (op->suspect && !op_is_tried(op)) {
                op->suspect = false;
                op->at->n_suspects--;
        }
        count_end(op, end);
        held = leave(op);
        record_forget(op);
        op_go_on(op, end);
        left(op, answered);
}

void backlog_abandon(struct op *op, enum op_end end)
{
        _cleanup_(op_unrefp) struct op *held = op;
        bool answered = op->answered;

        count_end(op, end);
        slot_of(op)->op = NULL;
        op->worker = NULL;
        op->state = OP_AT_HAND;
        op_go_on(op, end);
        left(op, answered);
}

void backlog_answer(struct op *op, enum op_end end)
{
        count_end(op, end);
        op_go_on(op, end);
}

void backlog_client_gone(struct op *op)
{
        _cleanup_(op_unrefp) struct op *held = op_ref(op);

        op_leave_client(op);
        switch (op->state) {
        case OP_WAITING:
        case OP_HELD:
        case OP_QUEUED:
        case OP_FIRST:
        case OP_PAUSED:
        case OP_ASKED:
                if (!op->oneway)
                        backlog_end(op, END_DROPPED);
                break;
        default:
                break;
        }
}

void backlog_end_list(struct link *list, enum op_end end)
{
        struct link all;

        /* Those of now: an op may come anew from its own continuation. */
        link_init(&all);
        link_append_all(&all, list);
        while (!link_is_empty(&all))
                backlog_end(LINK_OF(all.next, struct op, link), end);
}

static void collect_queued(struct queue_item *item, void *userdata)
{
        struct op *op = LINK_OF(item, struct op, item);

        queue_remove(&op->at->queue, item);
        link_append(userdata, &op->link);
}

void backlog_end_waiting(struct token *token, enum op_end end)
{
        struct link all;

        link_init(&all);
        queue_each(&token->queue, collect_queued, &all);
        link_append_all(&all, &token->first);
        link_append_all(&all, &token->paused);
        link_append_all(&all, &token->waiting);
        backlog_end_list(&all, end);
}

void backlog_give_up(struct token *token)
{
        /* What the last directory can answer, it does. */
        if (token->directory)
                backlog_wake(token);
        backlog_end_waiting(token, END_UNAVAILABLE);
        backlog_end_list(&token->unsettled, END_OUTCOME_UNKNOWN);
}

void backlog_wake(struct token *token)
{
        backlog_end_list(&token->waiting, END_OK);
}

/* The worker has it: what it changes may be done by now. */
static void remove_out(const struct worker *worker)
{
        for (size_t i = 0; i < ARRAY_SIZE(worker->slots); i++) {
                struct op *op = worker->slots[i].op;

                if (op)
                        backlog_end(op, op_is(op, CLASS_CHANGES) ? END_OUTCOME_UNKNOWN : END_REMOVED);
        }
}

void backlog_remove(struct token *token)
{
        backlog_end_waiting(token, END_REMOVED);
        backlog_end_list(&token->held, END_REMOVED);
        backlog_end_list(&token->asked, END_REMOVED);
        backlog_end_list(&token->unsettled, END_OUTCOME_UNKNOWN);
        remove_out(token->worker);
        remove_out(token->other);
}

static bool is_homeless(const struct op *op)
{
        return op_is_tried(op) && op->token->going;
}

static void collect_homeless_item(struct queue_item *item, void *userdata)
{
        if (is_homeless(LINK_OF(item, struct op, item)))
                collect_queued(item, userdata);
}

static void abandon_homeless(const struct worker *worker)
{
        for (size_t i = 0; i < ARRAY_SIZE(worker->slots); i++) {
                struct op *op = worker->slots[i].op;

                if (op && is_homeless(op))
                        backlog_abandon(op, END_REMOVED);
        }
}

void backlog_remove_homeless(struct token *accelerator)
{
        struct link homeless;

        link_init(&homeless);
        queue_each(&accelerator->queue, collect_homeless_item, &homeless);
        LINK_FOREACH_SAFE(at, &accelerator->first)
        {
                if (!is_homeless(LINK_OF(at, struct op, link)))
                        continue;
                link_remove(at);
                link_append(&homeless, at);
        }
        backlog_end_list(&homeless, END_REMOVED);
        abandon_homeless(accelerator->worker);
        abandon_homeless(accelerator->other);
}
