/* SPDX-License-Identifier: MPL-2.0 */
/* The queue of a token: whose turn it is, and that nobody gets more than its share or its limit. */
#include "daemon/broker/base/queue.h"

#include "daemon/util/macros.h"
#include "tests/unit/suite.h"

static const int a, b;

static void fill(struct queue *queue, const void *owner, unsigned weight, struct queue_item *items, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                link_init(&items[i].link);
                CU_ASSERT_EQUAL(queue_push(queue, owner, weight, 1000, &items[i]), 0);
        }
}

static void drain(struct queue *queue)
{
        while (queue_pop(queue, true))
                continue;
        queue_done(queue);
}

static void test_in_turn(void)
{
        struct queue queue;
        struct queue_item flood[100] = {0}, one[1] = {0};

        queue_init(&queue);
        fill(&queue, &a, 100, flood, 100);
        CU_ASSERT_PTR_EQUAL(queue_pop(&queue, true), &flood[0]);
        fill(&queue, &b, 100, one, 1);
        /* At most one of the flood comes before it. */
        CU_ASSERT_TRUE(queue_pop(&queue, true) == &one[0] || queue_pop(&queue, true) == &one[0]);
        drain(&queue);
}

static void test_by_weight(void)
{
        struct queue queue;
        struct queue_item heavy[90] = {0}, light[90] = {0};
        unsigned n_heavy = 0;

        queue_init(&queue);
        fill(&queue, &a, 200, heavy, 90);
        fill(&queue, &b, 100, light, 90);
        for (unsigned i = 0; i < 90; i++) {
                struct queue_item *item = queue_pop(&queue, true);

                n_heavy += item >= heavy && item < heavy + 90;
        }
        CU_ASSERT_TRUE(n_heavy >= 59 && n_heavy <= 61);
        drain(&queue);
}

static void test_bounded(void)
{
        struct queue queue;
        struct queue_item items[3] = {0};
        struct queue_flow *flow;

        queue_init(&queue);
        for (unsigned i = 0; i < 3; i++)
                link_init(&items[i].link);
        CU_ASSERT_EQUAL(queue_push(&queue, &a, 1, 2, &items[0]), 0);
        CU_ASSERT_EQUAL(queue_reserve(&queue, &a, 1, 2, &flow), 0);
        CU_ASSERT_EQUAL(queue_push(&queue, &a, 1, 2, &items[1]), 1);
        CU_ASSERT_EQUAL(queue_push(&queue, &b, 1, 2, &items[2]), 0);
        CU_ASSERT_EQUAL(queue_count(&queue, &a), 2);
        queue_release(flow);
        CU_ASSERT_EQUAL(queue_push(&queue, &a, 1, 2, &items[1]), 0);
        queue_remove(&queue, &items[1]);
        queue_remove(&queue, &items[1]);
        CU_ASSERT_EQUAL(queue_count(&queue, &a), 1);
        drain(&queue);
}

static void test_slow_holds_no_fast(void)
{
        struct queue queue;
        struct queue_item slow = {.slow = true}, fast = {0};

        queue_init(&queue);
        link_init(&slow.link);
        link_init(&fast.link);
        CU_ASSERT_EQUAL(queue_push(&queue, &a, 1, 9, &slow), 0);
        CU_ASSERT_EQUAL(queue_push(&queue, &a, 1, 9, &fast), 0);
        CU_ASSERT_PTR_EQUAL(queue_pop(&queue, false), &fast);
        CU_ASSERT_PTR_NULL(queue_pop(&queue, false));
        CU_ASSERT_PTR_EQUAL(queue_pop(&queue, true), &slow);
        drain(&queue);
}

static void test_restored(void)
{
        struct queue queue;
        struct queue_item items[2] = {0};

        queue_init(&queue);
        fill(&queue, &a, 1, items, 2);
        CU_ASSERT_PTR_EQUAL(queue_pop(&queue, true), &items[0]);
        queue_restore(&queue, &a, &items[0]);
        CU_ASSERT_PTR_EQUAL(queue_pop(&queue, true), &items[0]);
        CU_ASSERT_PTR_EQUAL(queue_pop(&queue, true), &items[1]);
        drain(&queue);
}

static void test_list_spliced(void)
{
        struct link from, to, items[3];

        link_init(&from);
        link_init(&to);
        for (unsigned i = 0; i < 3; i++) {
                link_init(&items[i]);
                link_append(i == 0 ? &to : &from, &items[i]);
        }
        link_append_all(&to, &from);
        link_append_all(&to, &from);
        CU_ASSERT_TRUE(link_is_empty(&from));
        CU_ASSERT_PTR_EQUAL(to.next, &items[0]);
        CU_ASSERT_PTR_EQUAL(items[0].next, &items[1]);
        CU_ASSERT_PTR_EQUAL(items[2].next, &to);
        CU_ASSERT_PTR_EQUAL(to.prev, &items[2]);
}

SUITE(broker_queue, {"a flood delays another's request by at most one", test_in_turn},
        {"turns follow the weights", test_by_weight},
        {"a queue that is full refuses its owner alone", test_bounded},
        {"a slow request that waits holds back no fast one", test_slow_holds_no_fast},
        {"what could not be sent is next again", test_restored},
        {"a list put behind another keeps its order", test_list_spliced});
