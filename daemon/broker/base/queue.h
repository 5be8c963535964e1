/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The requests that wait for one token: a flow for each instance, served in turn by weight (stride scheduling: each turn
 * costs a flow 1/weight, and the flow that has paid least is next). A flow that becomes active again starts at the
 * current virtual time; idle flows do not accumulate credit. Each flow is bounded. Pure: it knows neither time nor what
 * the items are.
 */
#pragma once

#include <stdint.h>

#include "daemon/broker/base/list.h"

struct queue_flow;

/* Embedded in what waits. */
struct queue_item {
        struct link link;
        struct queue_flow *flow; /* NULL while it does not wait */
        uint64_t sequence;
        bool slow; /* of the kind of which one at a time may be out; set before the push */
};

struct queue {
        struct link flows;
        uint64_t pass, sequence;
        size_t n; /* items that wait, reservations not counted */
};

void queue_init(struct queue *queue);
/* Every item must be gone. */
void queue_done(struct queue *queue);

/* Behind the others of its owner (any pointer that stands for an instance), whose weight (1 or more) and
 * limit hold from now on. 1: limit of them wait already; -ENOMEM. */
int queue_push(
        struct queue *queue, const void *owner, unsigned weight, unsigned limit, struct queue_item *item);

/* The next one, taken out; NULL where none may be served. slow: whether a slow one may be. */
struct queue_item *queue_pop(struct queue *queue, bool slow);

/* Puts back what was just popped, as if it had not been: its owner's flow is still there. */
void queue_restore(struct queue *queue, const void *owner, struct queue_item *item);

/* Takes one out wherever it is; one that does not wait is left alone. */
void queue_remove(struct queue *queue, struct queue_item *item);

/* A place in the owner's limit for something that waits elsewhere. 1, -ENOMEM as queue_push(). */
int queue_reserve(
        struct queue *queue, const void *owner, unsigned weight, unsigned limit, struct queue_flow **ret);
void queue_release(struct queue_flow *flow);

/* How many of the owner's wait, reservations counted. */
size_t queue_count(const struct queue *queue, const void *owner);

/* Calls each for every item; it may remove the item it is called for. */
void queue_each(struct queue *queue, void (*each)(struct queue_item *item, void *userdata), void *userdata);

/* The owner is gone for good; nothing of it waits. */
void queue_forget(struct queue *queue, const void *owner);
