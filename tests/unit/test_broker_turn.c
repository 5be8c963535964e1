/* SPDX-License-Identifier: MPL-2.0 */
/* The turns of a connection: what a client sent ahead is taken in pieces, and others come in between. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/net/connection.h"
#include "tests/unit/suite.h"

#define CALL "{\"method\":\"org.varlink.service.GetInfo\"}"
/* The socket takes so many at once; each takes microseconds. */
#define N_CALLS 1500U

struct fixture {
        struct broker broker;
        int control;
};

static void set_up(struct fixture *f)
{
        static const char text[] = "[Daemon]\nAudit=none\n";
        struct config *config = NULL;
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        f->control = fds[1];
        CU_ASSERT_EQUAL_FATAL(broker_init(&f->broker, fds[0]), 0);
        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), NULL, NULL, &config), 0);
        CU_ASSERT_EQUAL_FATAL(broker_configure(&f->broker, config, true), 0);
}

/* A connection of root, with an account of its own; returns the client's end. */
static int connect_one(struct fixture *f, uid_t account)
{
        struct caller *caller = calloc(1, sizeof(*caller));
        struct connection *c;
        int fds[2];

        CU_ASSERT_PTR_NOT_NULL_FATAL(caller);
        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        *caller = (struct caller){.refs = 1, .account = account_of(&f->broker.accounts, account)};
        CU_ASSERT_PTR_NOT_NULL_FATAL(caller->account);
        CU_ASSERT_EQUAL_FATAL(connection_new(&f->broker.keys, fds[0], caller,
                                      registry_instance(&f->broker, &policy_default_instance), false, &c),
                0);
        return fds[1];
}

static void send_many(int fd)
{
        static char text[N_CALLS * sizeof(CALL)];

        for (size_t i = 0; i < N_CALLS; i++)
                memcpy(text + i * sizeof(CALL), CALL, sizeof(CALL));
        CU_ASSERT_EQUAL_FATAL(send(fd, text, sizeof(text), 0), (ssize_t)sizeof(text));
}

/* Replies that came. */
static unsigned receive(int fd)
{
        char text[8192];
        unsigned n_replies = 0;
        ssize_t n;

        while ((n = recv(fd, text, sizeof(text), 0)) > 0)
                for (ssize_t i = 0; i < n; i++)
                        n_replies += text[i] == '\0';
        return n_replies;
}

static void test_between(void)
{
        unsigned n_flood = 0;
        int flood, other;
        struct fixture f;

        set_up(&f);
        flood = connect_one(&f, 1);
        other = connect_one(&f, 2);
        send_many(flood);
        CU_ASSERT_EQUAL(send(other, CALL, sizeof(CALL), 0), (ssize_t)sizeof(CALL));
        while (receive(other) == 0)
                CU_ASSERT_TRUE_FATAL(sd_event_run(f.broker.loop.event, 0) > 0);
        n_flood = receive(flood);
        CU_ASSERT_TRUE(n_flood < N_CALLS / 2);
        /* All of them are answered in the end, without another byte. */
        while (sd_event_run(f.broker.loop.event, 0) > 0)
                n_flood += receive(flood);
        CU_ASSERT_EQUAL(n_flood, N_CALLS);
        close(flood);
        close(other);
        broker_done(&f.broker);
        close(f.control);
}

static void test_closes(void)
{
        struct fixture f;
        int flood;

        set_up(&f);
        flood = connect_one(&f, 1);
        send_many(flood);
        CU_ASSERT_EQUAL(shutdown(flood, SHUT_WR), 0);
        /* What was sent before the end is answered, however many turns that takes. */
        for (unsigned n = 0; n < N_CALLS; n += receive(flood))
                CU_ASSERT_TRUE_FATAL(sd_event_run(f.broker.loop.event, 0) > 0);
        while (sd_event_run(f.broker.loop.event, 0) > 0)
                ;
        CU_ASSERT_TRUE(link_is_empty(&f.broker.connections));
        close(flood);
        broker_done(&f.broker);
        close(f.control);
}

SUITE(broker_turn,
        {"what one client sent ahead is taken in pieces, and others come in between", test_between},
        {"a client that sends no more is answered to the end", test_closes});
