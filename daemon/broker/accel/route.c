/* SPDX-License-Identifier: MPL-2.0 */
/* See route.h. */
#include "daemon/broker/accel/route.h"

#include "daemon/broker/accel/copies.h"
#include "daemon/broker/token/live.h"
#include "daemon/util/algorithm.h"

/* What a trial may take: so many times what the accelerator has taken lately for what is before it and itself, at
 * least so long (a machine under load may stand still for that), and never more than half of what is left. */
#define SHARE_TIMES    16U
#define SHARE_MIN_USEC (250U * USEC_PER_MSEC)
/* With less than this part of its share one trial that is late tells nothing of the accelerator; as many as it has threads, with
 * nothing heard meanwhile, do. */
#define HURRIED_PART 4U

/* ---- which ---- */

static bool is_accelerator(const struct token *token)
{
        return token->config->role == ROLE_ACCELERATOR;
}

static bool can_take(const struct token *token)
{
        const struct worker *worker = token->worker;

        return is_accelerator(token) && token->state == TOKEN_READY && worker->phase == WORKER_SERVING &&
               !worker->ending && !worker->retiring && !worker->stalled;
}

static unsigned algorithm_of(const struct op *op)
{
        return op->kind == MESSAGE_TYPE_SIGN ? op->input.sign.algorithm : op->input.verify.algorithm;
}

static bool has_means(const struct token *token, const struct op *op)
{
        if (op->kind == MESSAGE_TYPE_RANDOM)
                return !token->worker->no_random;
        return token_has_mechanism(token, algorithm_info(algorithm_of(op))->mechanism);
}

/* The one that the token's section names, or NULL. */
static struct token *accelerator_of(const struct token *token)
{
        return token->config->accelerator ? registry_token(token->broker, token->config->accelerator) : NULL;
}

/* For what needs no key: the accelerator that the token names, else any. NULL: none can take it now. */
static struct token *any_accelerator(struct token *token, const struct op *op)
{
        struct token *named = accelerator_of(token);

        if (named && can_take(named) && has_means(named, op))
                return named;
        LINK_FOREACH(at, &token->broker->tokens)
        {
                struct token *other = LINK_OF(at, struct token, link);

                if (can_take(other) && has_means(other, op))
                        return other;
        }
        return NULL;
}

/* The one that holds a copy of the key. Where it could and does not, it gets one, for the next time. NULL: none can sign now. */
static struct token *holder(struct token *token, const struct op *op)
{
        struct entry *entry = op->entry;
        struct token *accelerator;

        /* What an operator must mend on a token is not worked around. */
        if (!token_has_hope(token) || !copies_may(token, entry))
                return NULL;
        accelerator = accelerator_of(token);
        if (!accelerator || !can_take(accelerator) || !has_means(accelerator, op))
                return NULL;
        if (entry->copy && entry->copy->accelerator == accelerator)
                return accelerator;
        copies_load(token, accelerator, entry);
        return NULL;
}

static struct token *accelerator_for(struct token *token, const struct op *op)
{
        switch (op->kind) {
        case MESSAGE_TYPE_SIGN:
                return holder(token, op);
        case MESSAGE_TYPE_VERIFY:
        case MESSAGE_TYPE_RANDOM:
                return any_accelerator(token, op);
        default:
                return NULL;
        }
}

/* The accelerator to which a request that none took could have gone; NULL: none. */
static struct token *missed_by(const struct token *token, const struct op *op)
{
        struct token *named;

        if (op->kind == MESSAGE_TYPE_SIGN)
                return copies_may(token, op->entry) ? accelerator_of(token) : NULL;
        if (op->kind != MESSAGE_TYPE_VERIFY && op->kind != MESSAGE_TYPE_RANDOM)
                return NULL;
        named = accelerator_of(token);
        if (named)
                return named;
        LINK_FOREACH(at, &token->broker->tokens)
        {
                struct token *other = LINK_OF(at, struct token, link);

                if (is_accelerator(other))
                        return other;
        }
        return NULL;
}

/* ---- there and back ---- */

static void go_home(struct token *accelerator, struct op *op)
{
        op->token->fallbacks++;
        accelerator->fallbacks++;
        if (op->deadline_usec > now_usec())
                token_submit(op->token, op);
        else
                op_go_on(op, END_DEADLINE);
}

/* What a try that failed says of the accelerator. */
static void learn(struct token *accelerator, const struct op *op)
{
        struct worker *worker = accelerator->worker;

        /* It has the request and does not answer: until it says something again, nobody waits for it. */
        if (op->end == END_DEADLINE_EXECUTED && (!op->route.hurried || ++worker->n_late >= worker->threads))
                worker->stalled = true;
        if (op->end == END_NOT_SUPPORTED && op->kind == MESSAGE_TYPE_RANDOM)
                worker->no_random = true;
        if (op->end == END_KEY_GONE && op->entry)
                copies_lost_one(op->entry);
}

/* The try is over. */
static void on_tried(struct op *op)
{
        struct token *accelerator = op->at;

        op->at = op->token;
        if (op->end == END_OK) {
                /* Counted and timed where it was done: on the accelerator. */
                op->token->accelerated++;
                accelerator->accelerated++;
                op_go_on(op, END_OK);
                return;
        }
        learn(accelerator, op);
        if (op->token->going)
                op_go_on(op, END_REMOVED);
        else if (!op_is_wanted(op))
                op_go_on(op, op->end); /* nobody waits for it, and it changes nothing */
        else
                go_home(accelerator, op);
}

static uint64_t share_usec(
        const struct token *accelerator, const struct op *op, uint64_t now, bool *ret_hurried)
{
        const struct worker *worker = accelerator->worker;
        uint64_t left = op->deadline_usec > now ? (op->deadline_usec - now) / 2 : 0;
        uint64_t turns = 1 + (accelerator->queue.n + worker->n_out) / MAX_OF(worker->threads, 1U);
        uint64_t share = MAX_OF(SHARE_TIMES * turns * accelerator->latency_usec, SHARE_MIN_USEC);

        *ret_hurried = left < share / HURRIED_PART;
        return MIN_OF(left, share);
}

static void set_route(struct token *accelerator, struct op *op)
{
        uint64_t now = now_usec();

        op->route = (struct route){.then = on_tried};
        op->route.deadline_usec = now + share_usec(accelerator, op, now, &op->route.hurried);
        if (op->kind == MESSAGE_TYPE_SIGN)
                op->route.copy = op->entry->copy->number;
}

struct token *route_choose(struct op *op)
{
        struct token *accelerator = accelerator_for(op->token, op);

        if (accelerator) {
                set_route(accelerator, op);
                return accelerator;
        }
        accelerator = missed_by(op->token, op);
        if (accelerator) {
                op->token->fallbacks++;
                accelerator->fallbacks++;
        }
        return op->token;
}
