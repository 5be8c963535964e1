/* SPDX-License-Identifier: MPL-2.0 */
/* See unit.h. */
#include "daemon/broker/net/unit.h"

#include <string.h>
#include <sys/socket.h>

#include "daemon/util/log.h"

/* A supervisor that does not answer has stopped: then nobody is in any unit. */
#define UNIT_USEC (2 * USEC_PER_SEC)
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
        if (unit && *unit)
                c->client.caller->unit = strdup(unit);
        /* A reload may have brought a Unit= since it was asked. */
        if (c->unit_pending || unit_is_needed(c->client.broker))
                connection_match(c);
        client_touch(&c->client);
}

/* 1: the caller has ended. */
static int pidfd_of(const struct connection *c, int *ret)
{
        int pidfd = -1;
        socklen_t length = sizeof(pidfd);

        if (getsockopt(c->fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0) {
                *ret = pidfd;
                return 0;
        }
        if (errno != ENOPROTOOPT)
                return 1;
        *ret = -1;
        return 0;
}

/* -EAGAIN: the control is full. */
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
        if (r == -EAGAIN)
                return r;
        if (r != 0) {
                decide(c, NULL);
                return 0;
        }
        c->unit_ticket = message.ticket;
        c->client.broker->n_asked++;
        return 0;
}

static void ask_all(struct broker *broker)
{
        LINK_FOREACH_SAFE(at, &broker->units)
        {
                struct connection *c = LINK_OF(at, struct connection, unit_link);

                if (c->unit_ticket)
                        continue;
                if (broker->n_asked >= ASKED_MAX)
                        return;
                if (ask(c) < 0) {
                        loop_arm(&broker->loop, now_usec() + AGAIN_USEC);
                        return;
                }
        }
}

bool unit_is_needed(const struct broker *broker)
{
        return config_asks_units(broker->config);
}

bool unit_is_wanted(const struct broker *broker)
{
        return unit_is_needed(broker) || config_audit_mode(broker->config) != AUDIT_MODE_NONE;
}

void unit_ask(struct connection *c)
{
        struct broker *broker = c->client.broker;
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        c->accepted_usec = (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000U;
        c->unit_deadline_usec = now_usec() + UNIT_USEC;
        link_append(&broker->units, &c->unit_link);
        loop_arm(&broker->loop, c->unit_deadline_usec);
        ask_all(broker);
}

void unit_forget(struct connection *c)
{
        if (c->unit_ticket)
                c->client.broker->n_asked--;
        c->unit_ticket = 0;
        link_remove(&c->unit_link);
}

void unit_answer(struct broker *broker, const struct message_unit *message)
{
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

uint64_t unit_tick(struct broker *broker, uint64_t now)
{
        LINK_FOREACH_SAFE(at, &broker->units)
        {
                struct connection *c = LINK_OF(at, struct connection, unit_link);

                if (c->unit_deadline_usec > now)
                        break;
                if (c->unit_pending)
                        log_warning("the supervisor did not say in which unit process %d runs",
                                (int)c->client.caller->pid);
                decide(c, NULL);
        }
        ask_all(broker);
        if (link_is_empty(&broker->units))
                return USEC_NEVER;
        return LINK_OF(broker->units.next, struct connection, unit_link)->unit_deadline_usec;
}
