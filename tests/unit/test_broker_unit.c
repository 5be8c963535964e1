/* SPDX-License-Identifier: MPL-2.0 */
/*
 * daemon/broker/net/unit: callers whose unit decides who they are. The supervisor is this test, which answers late, or not at
 * all. Nothing sleeps: the clock is moved by calling the tick.
 */
#include "daemon/broker/net/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/control.h"
#include "daemon/util/log.h"
#include "tests/unit/suite.h"

#define WITH_UNIT    "[Daemon]\nAudit=none\n[Instance u]\nUser=4242\nUnit=a.service\nKeys=*\nAllow=list\n"
#define WITHOUT_UNIT "[Daemon]\nAudit=none\n[Instance n]\nUser=4242\nKeys=*\nAllow=list\n"
#define CALL         "{\"method\":\"org.varlink.service.GetInfo\"}"
/* More than may_ask() has with the supervisor at a time. */
#define MANY (LIMIT_QUESTIONS + 3U)

struct fixture {
        struct broker broker;
        int control;
};

static void configure(struct fixture *f, const char *text)
{
        struct config *config = NULL;

        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), NULL, NULL, &config), 0);
        CU_ASSERT_EQUAL_FATAL(broker_configure(&f->broker, config, true), 0);
}

static void set_up(struct fixture *f, const char *text)
{
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        f->control = fds[1];
        CU_ASSERT_EQUAL_FATAL(fcntl(f->control, F_SETFL, O_NONBLOCK), 0);
        CU_ASSERT_EQUAL_FATAL(broker_init(&f->broker, fds[0]), 0);
        CU_ASSERT_EQUAL_FATAL(control_start(&f->broker), 0);
        configure(f, text);
}

static void tear_down(struct fixture *f)
{
        control_stop(&f->broker);
        broker_done(&f->broker);
        close(f->control);
}

static void run(struct fixture *f)
{
        loop_settle(&f->broker.loop);
        while (sd_event_run(f->broker.loop.event, 0) > 0)
                ;
}

/* A connection of user 4242, as the listener takes one. Returns the client's end. */
static int connect_one(struct fixture *f, struct connection **ret)
{
        struct broker *broker = &f->broker;
        struct caller *caller = calloc(1, sizeof(*caller));
        struct instance *instance;
        bool pending;
        int fds[2];

        CU_ASSERT_PTR_NOT_NULL_FATAL(caller);
        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        *caller = (struct caller){.refs = 1, .uid = 4242, .pid = getpid()};
        caller->account = account_of(&broker->accounts, caller->uid);
        CU_ASSERT_PTR_NOT_NULL_FATAL(caller->account);
        pending = policy_asks_unit(broker->config, caller);
        instance = pending ? NULL
                           : registry_instance(broker, policy_match(broker->config, caller, broker->own_uid));
        CU_ASSERT_EQUAL_FATAL(connection_new(&broker->keys, fds[0], caller, instance, pending, ret), 0);
        unit_wanted(*ret);
        return fds[1];
}

static void call(int fd)
{
        CU_ASSERT_EQUAL(send(fd, CALL, sizeof(CALL), 0), (ssize_t)sizeof(CALL));
}

/* The question that comes next; 0: none. */
static uint64_t question(struct fixture *f)
{
        _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
        uint8_t buffer[8192];
        struct wire wire = {.data = buffer};
        struct message_unit_please please;

        if (channel_receive(f->control, buffer, sizeof(buffer), &wire.size, fds) != 0)
                return 0;
        CU_ASSERT_EQUAL_FATAL(message_type(&wire), MESSAGE_TYPE_UNIT_PLEASE);
        CU_ASSERT_EQUAL_FATAL(message_get_unit_please(&wire, &please), 0);
        CU_ASSERT_EQUAL(please.pid, (uint32_t)getpid());
        CU_ASSERT_NOT_EQUAL(please.accepted_usec, 0);
        return please.ticket;
}

static void answer(struct fixture *f, uint64_t ticket, const char *unit)
{
        CU_ASSERT_NOT_EQUAL(ticket, 0);
        CU_ASSERT_EQUAL(message_send_unit(
                                f->control, &(struct message_unit){.ticket = ticket, .unit = unit}, NULL, 0),
                0);
        run(f);
}

/* Whether a reply has come. */
static bool is_answered(int fd)
{
        char byte;

        return recv(fd, &byte, 1, MSG_PEEK) == 1;
}

static void test_no_descriptor(void)
{
        struct rlimit limit, none;
        struct connection *c;
        struct fixture f;
        int client, next;

        set_up(&f, WITH_UNIT);
        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
        /* The two ends of the connection are the last that are to be had: a pidfd is not. */
        next = dup(STDERR_FILENO);
        close(next);
        none = (struct rlimit){.rlim_cur = (rlim_t)next + 2, .rlim_max = limit.rlim_max};
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
        client = connect_one(&f, &c);
        call(client);
        run(&f);
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
        CU_ASSERT_TRUE(c->unit_pending);
        CU_ASSERT_FALSE(is_answered(client));
        (void)unit_tick(&f.broker, now_usec());
        answer(&f, question(&f), "a.service");
        CU_ASSERT_TRUE(is_answered(client));
        CU_ASSERT_PTR_NOT_NULL(c->client.instance);
        close(client);
        run(&f);
        tear_down(&f);
}

static void test_first_unit(void)
{
        struct connection *c;
        struct fixture f;
        int client;

        set_up(&f, WITHOUT_UNIT);
        client = connect_one(&f, &c);
        CU_ASSERT_EQUAL(question(&f), 0);
        configure(&f, WITH_UNIT);
        call(client);
        run(&f);
        CU_ASSERT_FALSE(is_answered(client));
        answer(&f, question(&f), "a.service");
        CU_ASSERT_TRUE(is_answered(client));
        CU_ASSERT_PTR_NOT_NULL_FATAL(c->client.instance);
        CU_ASSERT_STRING_EQUAL(c->client.instance->name, "u");
        /* It is not asked again. */
        configure(&f, WITHOUT_UNIT);
        configure(&f, WITH_UNIT);
        CU_ASSERT_EQUAL(question(&f), 0);
        CU_ASSERT_STRING_EQUAL(c->client.instance->name, "u");
        close(client);
        run(&f);
        tear_down(&f);
}

static void test_closes(void)
{
        struct connection *c;
        struct fixture f;
        int client;

        set_up(&f, WITH_UNIT);
        /* It asked for nothing: it is not kept. */
        client = connect_one(&f, &c);
        CU_ASSERT_NOT_EQUAL(question(&f), 0);
        close(client);
        run(&f);
        CU_ASSERT_TRUE(link_is_empty(&f.broker.connections));
        CU_ASSERT_TRUE(link_is_empty(&f.broker.units));
        /* What it asked for is done when its unit is known. */
        client = connect_one(&f, &c);
        call(client);
        close(client);
        run(&f);
        CU_ASSERT_FALSE(link_is_empty(&f.broker.connections));
        answer(&f, question(&f), "a.service");
        CU_ASSERT_TRUE(link_is_empty(&f.broker.connections));
        CU_ASSERT_EQUAL(registry_instance(&f.broker, f.broker.config->instances[0])->requests, 1);
        CU_ASSERT_TRUE(link_is_empty(&f.broker.accounts.list));
        tear_down(&f);
}

/* What the log got while the waiting was given up. */
static void give_up(struct fixture *f, char *ret, size_t size)
{
        int old = dup(STDERR_FILENO), fds[2];
        ssize_t n;

        CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        dup2(fds[1], STDERR_FILENO);
        log_open("unit");
        (void)unit_tick(&f->broker, now_usec() + 11 * USEC_PER_SEC);
        run(f);
        dup2(old, STDERR_FILENO);
        log_open("unit");
        close(old);
        n = read(fds[0], ret, size - 1);
        ret[n > 0 ? n : 0] = '\0';
        close(fds[0]);
        close(fds[1]);
}

static void test_given_up(void)
{
        struct connection *c;
        struct fixture f;
        int clients[MANY];
        char log[8192];
        const char *first;

        set_up(&f, WITH_UNIT);
        for (unsigned i = 0; i < MANY; i++) {
                clients[i] = connect_one(&f, &c);
                call(clients[i]);
        }
        run(&f);
        give_up(&f, log, sizeof(log));
        /* Nobody is denied: they are closed. */
        CU_ASSERT_TRUE(link_is_empty(&f.broker.connections));
        CU_ASSERT_EQUAL(f.broker.strangers_denied, 0);
        first = strstr(log, "did not say");
        CU_ASSERT_PTR_NOT_NULL_FATAL(first);
        CU_ASSERT_PTR_NULL(strstr(first + 1, "did not say"));
        for (unsigned i = 0; i < MANY; i++)
                close(clients[i]);
        tear_down(&f);
}

SUITE(broker_unit,
        {"without a descriptor left the unit is asked for later, and nobody is denied", test_no_descriptor},
        {"a reload that brings the first Unit= asks for those that are connected", test_first_unit},
        {"a client that closes while its unit is asked for", test_closes},
        {"a supervisor that says nothing is in the log once, not once for each caller", test_given_up});
