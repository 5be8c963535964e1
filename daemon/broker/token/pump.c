/* SPDX-License-Identifier: MPL-2.0 */
/* See pump.h. */
#include "daemon/broker/token/pump.h"

#include <string.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/op/record.h"
#include "daemon/broker/token/verdict.h"
#include "daemon/broker/token/worker.h"

static bool has_room(const struct worker *worker)
{
        const struct token *token = worker->token;

        if (worker->phase < WORKER_LOADING || worker->blocked || worker->ending || worker->retiring)
                return false;
        /* One at a time while one of them may have ended a worker: the next death has one culprit. */
        if (token->n_suspects > 0 && worker->n_out > 0)
                return false;
        return worker->n_out + worker->busy < worker->threads;
}

/* Whether an operation that changes the token is out: one at a time. */
static bool is_changing(const struct worker *worker)
{
        for (unsigned i = 0; i < worker->threads; i++) {
                const struct operation_info *info = operation_info(worker->slots[i].kind);

                if (info && (info->class & CLASS_CHANGES))
                        return true;
        }
        return false;
}

/* Where there is no memory to ask for the directory, it is asked for again after this time. */
#define REFRESH_AGAIN_USEC USEC_PER_SEC

/* Whether a newcomer tells what is on the token, or has told it: nothing changes it before that one serves. */
static bool is_held_still(const struct token *token)
{
        const struct worker *newcomer = token->other;

        return worker_is_newcomer(newcomer) &&
               (newcomer->load_wanted || newcomer->n_out > 0 || newcomer->phase == WORKER_LOADED);
}

/* Whether the worker is to be asked for its directory now: a newcomer once nothing changes the token any more. A worker that hung up
 * may still be changing it, until the supervisor says that it is gone. */
static bool refresh_is_due(const struct worker *worker)
{
        const struct token *token = worker->token;

        if (worker_has_out(worker, MESSAGE_TYPE_REFRESH))
                return false;
        if (!worker_is_newcomer(worker))
                return token->refresh_wanted;
        return worker->load_wanted && !is_changing(token->worker) && token->closed_usec == 0;
}

/* Asks for the directory. */
static struct op *next_refresh(struct worker *worker)
{
        struct token *token = worker->token;
        _cleanup_(op_unrefp) struct op *op = NULL;

        if (!refresh_is_due(worker))
                return NULL;
        op = op_new(token->broker, MESSAGE_TYPE_REFRESH);
        if (!op) {
                /* Nothing else may happen: what waits for the directory would wait for good. */
                loop_arm(&token->broker->loop, now_usec() + REFRESH_AGAIN_USEC);
                return NULL;
        }
        op->token = token;
        op->input.refresh.all = worker->phase == WORKER_LOADING;
        op->input.refresh.no_copies = now_usec() < token->no_copies_until_usec;
        backlog_first(token, op);
        return op;
}

/* The number of its object in this life of the worker. 1: the object is not on the token any more. The op keeps the entry that it
 * has: its input may point into it. */
static int object_number(const struct token *token, const struct op *op, uint64_t *ret)
{
        const struct entry *entry = op->entry;

        if (op_is_tried(op)) {
                *ret = op->route.copy;
                return 0;
        }
        if (!entry || !op_is(op, CLASS_OBJECT)) {
                *ret = op->input.head.key;
                return 0;
        }
        entry = directory_current(token->directory, entry);
        if (!entry)
                return 1;
        *ret = entry->number;
        return 0;
}

/* Its object is not in the directory, and a look will say whether it is on the token. */
static bool is_in_doubt(const struct token *token, const struct op *op)
{
        uint64_t ignored;

        return token_is_unsure(token) && object_number(token, op, &ignored) > 0;
}

/* What is to be sent next. An op of the queue is out of it, and still counts as queued; any other is where it was. */
static struct op *next_op(struct worker *worker)
{
        struct token *token = worker->token;
        bool changing = is_changing(worker) || is_held_still(token);
        struct queue_item *item;
        struct op *op = next_refresh(worker);

        if (op || worker->phase != WORKER_SERVING || worker->leaving)
                return op;
        if (!link_is_empty(&token->unsettled) && !changing)
                return LINK_OF(token->unsettled.next, struct op, link);
        LINK_FOREACH(at, &token->first)
        {
                op = LINK_OF(at, struct op, link);
                if ((!op_is(op, CLASS_CHANGES) || !changing) && !is_in_doubt(token, op))
                        return op;
        }
        item = queue_pop(&token->queue, !changing);
        return item ? LINK_OF(item, struct op, item) : NULL;
}

static void put_settle(const struct op *op, uint64_t number, struct wire *wire)
{
        struct message_settle message = {.request = number};

        if (op->kind == MESSAGE_TYPE_DELETE) {
                message.nickname = op->entry->label;
                message.id = wire_bytes(op->entry->id, op->entry->id_length);
        } else {
                message.nickname = op->input.generate.nickname;
                message.id = op->input.generate.id;
                message.fixed_id = op->input.generate.fixed_id;
        }
        message_put_settle(wire, &message);
}

/* The message that asks the worker for it. Returns what kind it is on the channel. */
static enum message_type put(struct op *op, uint64_t number, uint64_t key, struct wire *wire)
{
        enum message_type kind = op->kind;

        if (op->state == OP_UNSETTLED) {
                put_settle(op, number, wire);
                return MESSAGE_TYPE_SETTLE;
        }
        if (kind == MESSAGE_TYPE_SIGN && op_is_tried(op))
                kind = MESSAGE_TYPE_SIGN_COPY;
        op->input.head = (struct operation_head){.request = number, .key = key, .again = op->n_claimed > 0};
        operation_info(kind)->put(wire, &op->input);
        return kind;
}

static void is_out(struct worker *worker, struct op *op, uint64_t number, enum message_type kind)
{
        struct token *token = worker->token;

        backlog_out(op, worker, number, kind);
        if (kind == MESSAGE_TYPE_GENERATE && !op->input.generate.fixed_id &&
                op->input.generate.id.length <= LIMIT_KEY_ID) {
                token->look.made.kind = OBJECT_KEY;
                token->look.made.n_id = op->input.generate.id.length;
                memcpy(token->look.made.id, op->input.generate.id.data, op->input.generate.id.length);
        }
        if (kind == MESSAGE_TYPE_REFRESH && worker != token->worker)
                worker->load_wanted = false;
        else if (kind == MESSAGE_TYPE_REFRESH) {
                token->refresh_wanted = false;
                token->refresh_sent_usec = now_usec();
        }
}

/* The channel took nothing: as it was before. */
static void put_back(struct token *token, struct op *op)
{
        if (op->kind == MESSAGE_TYPE_REFRESH)
                backlog_end(op, END_DROPPED);
        else if (op->state == OP_QUEUED)
                queue_restore(&token->queue, op->instance, &op->item);
}

/* Whether it may be sent, with the number of its object; else it has ended. */
static bool is_ready(struct token *token, struct op *op, uint64_t *ret_key)
{
        uint64_t now = now_usec();
        enum op_end end;

        if (op->state == OP_UNSETTLED)
                return true;
        /* The clock of the loop may be behind. */
        if (op_due_usec(op) <= now) {
                backlog_end(op, END_DEADLINE);
                return false;
        }
        if (object_number(token, op, ret_key) > 0) {
                if (token_is_unsure(token))
                        backlog_first(token, op);
                else
                        backlog_end(op, END_KEY_GONE);
                return false;
        }
        if (op->audited && audit_refuses(token->broker->audit)) {
                backlog_end(op, END_UNRECORDED);
                return false;
        }
        /* A suspect runs alone, and costs nobody more. */
        if (!op->suspect && verdict_refuses(token, op, now, &end)) {
                backlog_end(op, end);
                return false;
        }
        return true;
}

/* 1: no more for now. */
static int send_one(struct worker *worker)
{
        struct token *token = worker->token;
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct wire wire = {.data = buffer, .size = sizeof(buffer)};
        struct op *op = next_op(worker);
        enum message_type kind;
        uint64_t number, key = 0;
        int r;

        if (!op)
                return 1;
        if (!is_ready(token, op, &key))
                return 0;
        if (op->suspect && op_is_wanted(op))
                record_repeat(op);
        number = (uint64_t)worker->epoch << 32 | ++worker->counter;
        kind = put(op, number, key, &wire);
        r = wire.bad ? -EMSGSIZE : channel_send(worker->fd, buffer, wire.at, NULL, 0);
        explicit_bzero(buffer, wire.at);
        if (r == 0) {
                op->object = key;
                is_out(worker, op, number, kind);
                return 0;
        }
        if (r == -EMSGSIZE) {
                backlog_end(op, END_INVALID);
                return 0;
        }
        put_back(token, op);
        if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM) {
                worker->blocked = true;
                worker_watch(worker, true);
        } else
                worker->ending = true; /* its EOF is on the way */
        return 1;
}

static void pump_worker(struct worker *worker)
{
        while (has_room(worker))
                if (send_one(worker) != 0)
                        break;
        if (worker->n_out == 0)
                worker_idle(worker);
}

void pump(struct token *token)
{
        token->dirty = false;
        pump_worker(token->worker);
        pump_worker(token->other);
}
