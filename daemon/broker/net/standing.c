/* SPDX-License-Identifier: MPL-2.0 */
/* See connection.h: whose a connection is, what that lets it do, and what it costs its user. */
#include "daemon/broker/net/connection.h"

/* Bytes that a connection takes of the broker, with its source of the loop and what the C library adds, and without its buffers: 1.5 KiB
 * were measured. */
#define CONNECTION_BYTES 2048U

void connection_charge(struct connection *c)
{
        size_t bytes = CONNECTION_BYTES + c->frame.size + c->output.size;

        account_charge(c->client.caller->account, c->charged, bytes);
        c->charged = bytes;
}

bool connection_is_idle(const struct connection *c)
{
        return link_is_empty(&c->client.ops) && output_pending(&c->output) == 0;
}

bool connection_is_over(const struct connection *c)
{
        const struct account *account = c->client.caller->account;

        return account && account_is_over(account, connection_is_stranger(c));
}

/* How long a turn is: about one signature of a fast token. */
#define TURN_USEC 100U
/* Of those whose user had much time before. */
#define PRIORITY_BEHIND (SD_EVENT_PRIORITY_IDLE / 2)

/* Whoever may call next to nothing has his turn when nobody else has, and whoever took much when nobody else but these has: they move
 * nobody's answer by more than one turn of theirs. */
static void set_priority(struct connection *c)
{
        int64_t priority = c->behind ? PRIORITY_BEHIND : SD_EVENT_PRIORITY_NORMAL;

        if (connection_is_stranger(c))
                priority = SD_EVENT_PRIORITY_IDLE;
        if (c->source)
                (void)sd_event_source_set_priority(c->source, priority);
        if (c->rest)
                (void)sd_event_source_set_priority(c->rest, priority);
}

static int on_rest(sd_event_source *source, void *userdata)
{
        struct connection *c = userdata;
        struct loop *loop = &c->client.broker->loop;

        client_touch(&c->client);
        loop_settle(loop);
        return 0;
}

void connection_begin_turn(struct connection *c)
{
        if (c->turn == c->client.broker->turn)
                return;
        c->turn = c->client.broker->turn;
        c->turn_usec = now_usec();
        c->rests = false;
}

bool connection_ends_turn(struct connection *c)
{
        int r = 0;

        /* What it has not sent yet wakes us in its turn. While the daemon ends nobody comes in between. */
        if (frame_pending(&c->frame) == 0 || now_usec() - c->turn_usec < TURN_USEC ||
                c->client.broker->draining)
                return false;
        c->rests = true;
        if (!c->rest) {
                r = sd_event_add_defer(c->client.broker->loop.event, &c->rest, on_rest, c);
                set_priority(c);
        }
        if (r >= 0)
                r = sd_event_source_set_enabled(c->rest, SD_EVENT_ONESHOT);
        c->client.gone |= r < 0;
        return true;
}

void connection_spend(struct connection *c, uint64_t since_usec)
{
        struct account *account = c->client.caller->account;
        uint64_t now = now_usec();
        bool behind;

        account_spend(account, now, now - since_usec);
        behind = account_is_behind(account, now);
        if (behind == c->behind)
                return;
        c->behind = behind;
        set_priority(c);
}

/* Status connections count for no instance: they have their own reserve. */
void connection_set_instance(struct connection *c, struct instance *instance)
{
        struct instance *old = c->client.instance;
        bool counted = c->listener->kind == LISTEN_KEYS;

        c->client.broker->n_strangers -= connection_is_stranger(c);
        c->client.instance = instance_ref(instance);
        if (counted && instance)
                instance->n_connections++;
        if (counted && old)
                old->n_connections--;
        instance_unref(old);
        c->client.broker->n_strangers += connection_is_stranger(c);
        set_priority(c);
}

void connection_set_pending(struct connection *c, bool pending)
{
        c->client.broker->n_strangers -= connection_is_stranger(c);
        c->unit_pending = pending;
        c->client.broker->n_strangers += connection_is_stranger(c);
}

bool connection_is_stranger(const struct connection *c)
{
        return c->listener->kind == LISTEN_KEYS && !c->client.instance && !c->unit_pending;
}

void connection_match(struct connection *c)
{
        struct broker *broker = c->client.broker;
        struct instance *instance =
                registry_instance(broker, policy_match(broker->config, c->client.caller, broker->own_uid));

        if (!c->unit_pending) {
                connection_set_instance(c, instance);
                return;
        }
        connection_set_pending(c, false);
        if (instance != c->client.instance && instance &&
                instance->n_connections >= instance->config->max_connections)
                c->client.gone = true;
        else
                connection_set_instance(c, instance);
        /* It is counted by now. */
        c->client.gone |= connection_is_stranger(c) && broker->n_strangers > LIMIT_STRANGERS;
}

void connection_match_again(struct connection *c)
{
        bool asks = c->listener->kind == LISTEN_KEYS &&
                    policy_asks_unit(c->client.broker->config, c->client.caller);

        if (asks && !c->unit_known)
                connection_set_pending(c, true);
        else if (!c->unit_pending)
                connection_match(c);
}

void connection_unask(struct connection *c)
{
        if (!c->unit_ticket)
                return;
        c->unit_ticket = 0;
        c->client.broker->n_asked--;
        if (c->client.caller->account)
                c->client.caller->account->n_questions--;
}
