/* SPDX-License-Identifier: MPL-2.0 */
/* See queue.h. Two lists a flow, fast and slow, so that a generate that must wait for another holds back no
 * sign. */
#include "daemon/broker/base/queue.h"

#include "daemon/util/macros.h"

/* What a turn of weight 1 costs. */
#define STRIDE (UINT64_C(1) << 32)

struct queue_flow {
        struct link link;
        const void *owner;
        unsigned weight;
        uint64_t pass;
        struct link fast, slow;
        size_t n, n_reserved;
};

void queue_init(struct queue *queue)
{
        *queue = (struct queue){0};
        link_init(&queue->flows);
}

void queue_done(struct queue *queue)
{
        LINK_FOREACH_SAFE(at, &queue->flows)
        {
                struct queue_flow *flow = LINK_OF(at, struct queue_flow, link);

                link_remove(&flow->link);
                free(flow);
        }
}

static struct queue_flow *flow_find(const struct queue *queue, const void *owner)
{
        LINK_FOREACH(at, (struct link *)(uintptr_t)&queue->flows)
        {
                struct queue_flow *flow = LINK_OF(at, struct queue_flow, link);

                if (flow->owner == owner)
                        return flow;
        }
        return NULL;
}

/* The owner's flow with room for one more: 0, 1 (full) or -ENOMEM. */
static int flow_with_room(
        struct queue *queue, const void *owner, unsigned weight, unsigned limit, struct queue_flow **ret)
{
        struct queue_flow *flow = flow_find(queue, owner);

        if (!flow) {
                flow = calloc(1, sizeof(*flow));
                if (!flow)
                        return -ENOMEM;
                flow->owner = owner;
                link_init(&flow->fast);
                link_init(&flow->slow);
                link_append(&queue->flows, &flow->link);
        }
        flow->weight = MAX_OF(weight, 1U);
        if (flow->n + flow->n_reserved >= limit)
                return 1;
        *ret = flow;
        return 0;
}

int queue_push(
        struct queue *queue, const void *owner, unsigned weight, unsigned limit, struct queue_item *item)
{
        struct queue_flow *flow;
        int r = flow_with_room(queue, owner, weight, limit, &flow);

        if (r != 0)
                return r;
        if (flow->n == 0)
                flow->pass = MAX_OF(flow->pass, queue->pass);
        item->flow = flow;
        item->sequence = ++queue->sequence;
        link_append(item->slow ? &flow->slow : &flow->fast, &item->link);
        flow->n++;
        queue->n++;
        return 0;
}

/* The older of the heads that may be served; NULL: none. */
static struct queue_item *flow_head(struct queue_flow *flow, bool slow)
{
        struct queue_item *fast_head = NULL, *slow_head = NULL;

        if (!link_is_empty(&flow->fast))
                fast_head = LINK_OF(flow->fast.next, struct queue_item, link);
        if (slow && !link_is_empty(&flow->slow))
                slow_head = LINK_OF(flow->slow.next, struct queue_item, link);
        if (fast_head && slow_head)
                return fast_head->sequence < slow_head->sequence ? fast_head : slow_head;
        return fast_head ? fast_head : slow_head;
}

struct queue_item *queue_pop(struct queue *queue, bool slow)
{
        struct queue_item *best = NULL;

        LINK_FOREACH(at, &queue->flows)
        {
                struct queue_flow *flow = LINK_OF(at, struct queue_flow, link);
                struct queue_item *head = flow_head(flow, slow);

                if (head && (!best || flow->pass < best->flow->pass))
                        best = head;
        }
        if (best) {
                struct queue_flow *flow = best->flow;

                /* One that had only slow items, and waited for another's, has saved nothing by it. */
                flow->pass = MAX_OF(flow->pass, queue->pass);
                queue->pass = flow->pass;
                flow->pass += STRIDE / flow->weight;
                queue_remove(queue, best);
        }
        return best;
}

void queue_restore(struct queue *queue, const void *owner, struct queue_item *item)
{
        struct queue_flow *flow = flow_find(queue, owner);

        flow->pass -= STRIDE / flow->weight;
        item->flow = flow;
        link_prepend(item->slow ? &flow->slow : &flow->fast, &item->link);
        flow->n++;
        queue->n++;
}

void queue_remove(struct queue *queue, struct queue_item *item)
{
        if (!item->flow)
                return;
        link_remove(&item->link);
        item->flow->n--;
        queue->n--;
        item->flow = NULL;
}

int queue_reserve(
        struct queue *queue, const void *owner, unsigned weight, unsigned limit, struct queue_flow **ret)
{
        struct queue_flow *flow;
        int r = flow_with_room(queue, owner, weight, limit, &flow);

        if (r != 0)
                return r;
        flow->n_reserved++;
        *ret = flow;
        return 0;
}

void queue_release(struct queue_flow *flow)
{
        flow->n_reserved--;
}

size_t queue_count(const struct queue *queue, const void *owner)
{
        const struct queue_flow *flow = flow_find(queue, owner);

        return flow ? flow->n + flow->n_reserved : 0;
}

void queue_each(struct queue *queue, void (*each)(struct queue_item *item, void *userdata), void *userdata)
{
        LINK_FOREACH(at, &queue->flows)
        {
                struct queue_flow *flow = LINK_OF(at, struct queue_flow, link);

                LINK_FOREACH_SAFE(item, &flow->fast)
                {
                        each(LINK_OF(item, struct queue_item, link), userdata);
                }
                LINK_FOREACH_SAFE(item, &flow->slow)
                {
                        each(LINK_OF(item, struct queue_item, link), userdata);
                }
        }
}

void queue_forget(struct queue *queue, const void *owner)
{
        struct queue_flow *flow = flow_find(queue, owner);

        if (!flow)
                return;
        link_remove(&flow->link);
        free(flow);
}
