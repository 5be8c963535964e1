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

bool connection_is_over(const struct connection *c)
{
        const struct account *account = c->client.caller->account;

        return account && account_is_over(account, connection_is_stranger(c));
}

/* Whoever may call next to nothing has his turn when nobody else has: he moves nobody's answer by more than one of his own. */
static void set_priority(struct connection *c)
{
        if (c->source)
                (void)sd_event_source_set_priority(c->source,
                        connection_is_stranger(c) ? SD_EVENT_PRIORITY_IDLE : SD_EVENT_PRIORITY_NORMAL);
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
