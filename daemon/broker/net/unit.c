/* SPDX-License-Identifier: MPL-2.0 */
/* See unit.h. */
#include "daemon/broker/net/unit.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/broker/audit/records.h"
#include "daemon/util/log.h"

/* A question that is not answered by then is asked again. */
#define UNIT_USEC (2 * USEC_PER_SEC)
/* After that the caller counts as in no unit. Where no [Instance] is left for him then, his connection is closed: nobody is denied
 * because the supervisor stands still. */
#define GIVE_UP_USEC (10 * USEC_PER_SEC)
/* So long a connection waits whose unit only the records want. The supervisor answers in a millisecond unless it stands still. */
#define AWAITED_USEC (50 * USEC_PER_MSEC)
/* When a control that was full is tried again. */
#define AGAIN_USEC (10 * USEC_PER_MSEC)
/* Questions on their way at once: each has a descriptor with it. */
#define ASKED_MAX 64U

/* The same on every architecture that has it; the headers of Linux 6.1 do not. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* The connection's unit is decided. NULL: it cannot be told. */
static void decide(struct connection *c, const char *unit)
{
        unit_forget(c);
        c->unit_known = true;
        if (unit && *unit) {
                c->client.caller->unit = strdup(unit);
                /* Nobody is taken for another because memory is short. */
                c->client.gone |= !c->client.caller->unit;
        }
        /* What comes on the status socket does not wait, but its records name the instance. */
        if (c->unit_pending || policy_asks_unit(c->client.broker->config, c->client.caller))
                connection_match(c);
        client_touch(&c->client);
}

/* 1: the caller has ended. -errno: there is no room for one more descriptor now. */
static int pidfd_of(const struct connection *c, int *ret)
{
        int pidfd = -1;
        socklen_t length = sizeof(pidfd);

        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0) {
                *ret = pidfd;
                return 0;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                return -errno;
        if (errno != ENOPROTOOPT)
                return 1;
        *ret = -1;
        return 0;
}

/* -errno: it cannot be asked now. */
static int ask(struct connection *c)
{
        _cleanup_(closep) int pidfd = -1;
        struct message_unit_please message = {.ticket = ++c->client.broker->last_ticket,
                .pid = (uint32_t)c->client.caller->pid,
                .accepted_usec = c->accepted_usec};
        int r = c->client.caller->pid > 0 ? pidfd_of(c, &pidfd) : 1;

        if (r == 0)
                r = message_send_unit_please(
                        c->client.broker->uplink.fd, &message, &pidfd, pidfd >= 0 ? 1 : 0);
        /* No room in the control, for one more descriptor, or in memory. */
        if (r < 0)
                return r;
        if (r == 1) {
                decide(c, NULL);
                return 0;
        }
        c->unit_ticket = message.ticket;
        c->unit_deadline_usec = now_usec() + UNIT_USEC;
        c->client.broker->n_asked++;
        if (c->client.caller->account)
                c->client.caller->account->n_questions++;
        loop_arm(&c->client.broker->loop, c->unit_deadline_usec);
        return 0;
}

/* One user cannot have all the questions: the others' come in between. */
static bool may_ask(const struct connection *c)
{
        const struct account *account = c->client.caller->account;

        return !c->unit_ticket && (!account || account->n_questions < LIMIT_QUESTIONS);
}

static void ask_all(struct broker *broker)
{
        LINK_FOREACH_SAFE(at, &broker->units)
        {
                struct connection *c = LINK_OF(at, struct connection, unit_link);

                if (broker->n_asked >= ASKED_MAX)
                        return;
                if (!may_ask(c))
                        continue;
                if (ask(c) < 0) {
                        loop_arm(&broker->loop, now_usec() + AGAIN_USEC);
                        return;
                }
        }
}

void unit_wanted(struct connection *c)
{
        struct broker *broker = c->client.broker;
        bool records = c->client.instance && audit_is_kept(broker->audit);

        if (c->unit_known || !link_is_empty(&c->unit_link) || (!c->unit_pending && !records))
                return;
        c->unit_given_up_usec = now_usec() + GIVE_UP_USEC;
        /* One that waited in vain is enough: a supervisor that stands still costs the others nothing. */
        if (!c->unit_pending && !broker->units_late)
                c->unit_awaited_usec = now_usec() + AWAITED_USEC;
        link_append(&broker->units, &c->unit_link);
        loop_arm(&broker->loop, c->unit_awaited_usec > 0 ? c->unit_awaited_usec : c->unit_given_up_usec);
        ask_all(broker);
        client_touch(&c->client);
}

void unit_forget(struct connection *c)
{
        connection_unask(c);
        c->unit_awaited_usec = 0;
        link_remove(&c->unit_link);
}

void unit_answer(struct broker *broker, const struct message_unit *message)
{
        broker->units_late = false;
        LINK_FOREACH(at, &broker->units)
        {
                struct connection *c = LINK_OF(at, struct connection, unit_link);

                if (c->unit_ticket != message->ticket)
                        continue;
                decide(c, message->unit);
                break;
        }
        ask_all(broker);
}

static void give_up(struct connection *c, uint64_t now)
{
        unsigned n_dropped;

        if (log_may(&c->client.broker->unit_rate, now, 1, &n_dropped))
                log_warning("the supervisor did not say in which unit process %d runs; %u such lines were "
                            "left out before",
                        (int)c->client.caller->pid, n_dropped);
        unit_forget(c);
        if (c->unit_pending) {
                connection_match(c);
                c->client.gone |= !c->client.instance;
        }
        client_touch(&c->client);
}

/* Whose question has not been answered in time; returns when to come again. */
static uint64_t tick_one(struct connection *c, uint64_t now)
{
        if (c->unit_given_up_usec <= now) {
                give_up(c, now);
                return USEC_NEVER;
        }
        if (c->unit_awaited_usec > 0 && c->unit_awaited_usec <= now) {
                c->client.broker->units_late = true;
                c->unit_awaited_usec = 0;
                client_touch(&c->client);
        }
        if (c->unit_awaited_usec > 0)
                return c->unit_awaited_usec;
        if (c->unit_ticket && c->unit_deadline_usec <= now)
                connection_unask(c);
        return c->unit_ticket ? MIN_OF(c->unit_deadline_usec, c->unit_given_up_usec) : c->unit_given_up_usec;
}

uint64_t unit_tick(struct broker *broker, uint64_t now)
{
        uint64_t next = USEC_NEVER;

        LINK_FOREACH_SAFE(at, &broker->units)
        {
                uint64_t due = tick_one(LINK_OF(at, struct connection, unit_link), now);

                next = MIN_OF(next, due);
        }
        ask_all(broker);
        return next;
}
