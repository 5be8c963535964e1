/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A token of the broker with a worker that is this test: what it tells, too much of it, no memory for it; and callbacks of
 * requests that change the lists which are gone through.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/net/connection.h"
#include "daemon/broker/token/live.h"
#include "daemon/broker/token/worker.h"
#include "daemon/util/algorithm.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

#define LIFE 7U
/* Few other allocations are of as many pointers. */
#define N_KEYS 1237U

struct fixture {
        struct broker broker;
        struct token *token;
        struct instance *instance;
        int control, worker;
};

static void set_up(struct fixture *f)
{
        static const char text[] = "[Daemon]\nAudit=none\n[Token t]\nModule=/module.so\n";
        struct config *config = NULL;
        int fds[2];

        *f = (struct fixture){.worker = -1};
        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        f->control = fds[1];
        CU_ASSERT_EQUAL_FATAL(broker_init(&f->broker, fds[0]), 0);
        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), NULL, NULL, &config), 0);
        CU_ASSERT_EQUAL_FATAL(broker_configure(&f->broker, config, true), 0);
        f->token = registry_token(&f->broker, "t");
        CU_ASSERT_PTR_NOT_NULL_FATAL(f->token);
        f->instance = registry_instance(&f->broker, &policy_default_instance);
        CU_ASSERT_PTR_NOT_NULL_FATAL(f->instance);
}

static void tear_down(struct fixture *f)
{
        alloc_fail_sizes(0, 0);
        broker_done(&f->broker);
        close(f->control);
        if (f->worker >= 0)
                close(f->worker);
}

/* Until nothing is to be done. */
static void run(struct fixture *f)
{
        while (sd_event_run(f->broker.loop.event, 0) > 0)
                ;
}

/* ---- the worker ---- */

static void greet(struct fixture *f)
{
        const struct message_hello hello = {.version = MESSAGE_VERSION,
                .label = "label",
                .manufacturer = "",
                .model = "",
                .serial = "",
                .slot_description = "",
                .slot_manufacturer = "",
                .library_description = "",
                .library_manufacturer = "",
                .library_version = "",
                .threads = 1};
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        f->worker = fds[1];
        CU_ASSERT_EQUAL_FATAL(worker_attach(f->token, false, fds[0], LIFE, 1), 0);
        CU_ASSERT_EQUAL(message_send_hello(f->worker, &hello, NULL, 0), 0);
        run(f);
}

static void tell(struct fixture *f, uint64_t number)
{
        char nickname[16];
        const struct message_entry entry = {.number = number,
                .kind = OBJECT_KEY,
                .nickname = nickname,
                .id = wire_bytes("id", 2),
                .key_type = KEY_EC,
                .size = 256,
                .usage = USAGE_SIGN,
                .der = wire_bytes("der", 3),
                .subject = "",
                .issuer = "",
                .serial = ""};

        snprintf(nickname, sizeof(nickname), "k%06u", (unsigned)number);
        CU_ASSERT_EQUAL_FATAL(message_send_entry(f->worker, &entry, NULL, 0), 0);
        /* Before the socket is full. */
        if (number % 32 == 0)
                run(f);
}

/* Answers the one request that is there, which is the first REFRESH. */
static void refreshed(struct fixture *f)
{
        uint8_t buffer[1024];
        struct wire wire = {.data = buffer};

        run(f);
        CU_ASSERT_EQUAL_FATAL(channel_receive_plain(f->worker, buffer, sizeof(buffer), &wire.size), 0);
        CU_ASSERT_EQUAL_FATAL(message_type(&wire), MESSAGE_TYPE_REFRESH);
        const struct message_reply reply = {.request = wire_get_u64(&wire), .status = REPLY_OK, .text = ""};
        CU_ASSERT_EQUAL(message_send_reply(f->worker, &reply, NULL, 0), 0);
        run(f);
        CU_ASSERT_EQUAL(f->token->worker->phase, WORKER_SERVING);
}

/* The REPLACE that the supervisor got; false: none. Its reason is copied. */
static bool replaced(struct fixture *f, struct message_replace *ret, char reason[static 256])
{
        uint8_t buffer[8192];
        struct wire wire = {.data = buffer};

        while (channel_receive_plain(f->control, buffer, sizeof(buffer), &wire.size) == 0) {
                if (message_type(&wire) == MESSAGE_TYPE_REPLACE && message_get_replace(&wire, ret) == 0) {
                        snprintf(reason, 256, "%s", ret->reason);
                        return true;
                }
                wire = (struct wire){.data = buffer};
        }
        return false;
}

static void test_full(void)
{
        struct message_replace replace;
        struct fixture f;
        char reason[256];

        set_up(&f);
        greet(&f);
        /* LIMIT_OBJECTS of them are taken. */
        for (uint64_t number = 1; number <= LIMIT_OBJECTS; number++)
                tell(&f, number);
        run(&f);
        CU_ASSERT_EQUAL(f.token->worker->phase, WORKER_LOADING);
        tell(&f, LIMIT_OBJECTS + 1);
        run(&f);
        CU_ASSERT_EQUAL(f.token->worker->phase, WORKER_NONE);
        CU_ASSERT_TRUE_FATAL(replaced(&f, &replace, reason));
        CU_ASSERT_EQUAL(replace.life, LIFE);
        CU_ASSERT_TRUE(replace.full);
        CU_ASSERT_PTR_NOT_NULL(strstr(reason, "more than 100000 objects"));
        tear_down(&f);
}

static void test_no_memory(void)
{
        struct message_replace replace;
        struct fixture f;
        char reason[256];

        set_up(&f);
        greet(&f);
        alloc_fail_sizes(sizeof(struct entry), SIZE_MAX);
        tell(&f, 1);
        run(&f);
        alloc_fail_sizes(0, 0);
        CU_ASSERT_TRUE_FATAL(replaced(&f, &replace, reason));
        CU_ASSERT_FALSE(replace.full);
        CU_ASSERT_STRING_EQUAL(reason, "the broker has no memory for what the worker sent");
        tear_down(&f);
}

static void test_invalid(void)
{
        const struct message_drop early = {.number = 1};
        struct message_replace replace;
        struct fixture f;
        char reason[256];

        set_up(&f);
        greet(&f);
        CU_ASSERT_EQUAL(message_send_drop(f.worker, &early, NULL, 0), 0);
        run(&f);
        CU_ASSERT_EQUAL(f.token->worker->phase, WORKER_LOADING);
        CU_ASSERT_EQUAL(message_send_gone(f.worker, &(struct message_gone){.token = "t"}, NULL, 0), 0);
        run(&f);
        CU_ASSERT_TRUE_FATAL(replaced(&f, &replace, reason));
        CU_ASSERT_FALSE(replace.full);
        CU_ASSERT_PTR_NOT_NULL(strstr(reason, "invalid message"));
        tear_down(&f);
}

/* A module closed the worker's descriptor 3: the process lives on and answers the supervisor's pings. */
static void test_channel_closed(void)
{
        struct message_replace replace;
        struct fixture f;
        char reason[256];
        uint64_t next;

        set_up(&f);
        greet(&f);
        refreshed(&f);
        /* What is not there is not waited for. */
        CU_ASSERT_EQUAL(fcntl(f.control, F_SETFL, O_NONBLOCK), 0);
        close(f.worker);
        f.worker = -1;
        run(&f);
        CU_ASSERT_EQUAL(f.token->worker->phase, WORKER_NONE);
        next = worker_tick(f.token, now_usec());
        CU_ASSERT_TRUE(next <= now_usec() + USEC_PER_SEC);
        CU_ASSERT_FALSE(replaced(&f, &replace, reason));
        /* A worker that is reaped within the time is not replaced ... */
        worker_gone(f.token, LIFE);
        CU_ASSERT_EQUAL(worker_tick(f.token, next), USEC_NEVER);
        CU_ASSERT_FALSE(replaced(&f, &replace, reason));
        /* ... any other is, once. */
        f.token->closed_usec = now_usec();
        CU_ASSERT_EQUAL(worker_tick(f.token, now_usec() + USEC_PER_SEC), USEC_NEVER);
        CU_ASSERT_TRUE_FATAL(replaced(&f, &replace, reason));
        CU_ASSERT_EQUAL(replace.life, LIFE);
        CU_ASSERT_EQUAL(worker_tick(f.token, now_usec() + 2 * USEC_PER_SEC), USEC_NEVER);
        tear_down(&f);
}

/* A worker whose end the supervisor tells before its channel was read to its end. */
static void test_gone_first(void)
{
        struct message_replace replace;
        struct fixture f;
        char reason[256];

        set_up(&f);
        greet(&f);
        refreshed(&f);
        CU_ASSERT_EQUAL(fcntl(f.control, F_SETFL, O_NONBLOCK), 0);
        close(f.worker);
        f.worker = -1;
        worker_gone(f.token, LIFE);
        CU_ASSERT_EQUAL(f.token->worker->phase, WORKER_NONE);
        CU_ASSERT_EQUAL(worker_tick(f.token, now_usec() + 2 * USEC_PER_SEC), USEC_NEVER);
        CU_ASSERT_FALSE(replaced(&f, &replace, reason));
        tear_down(&f);
}

/* ---- a client ---- */

/* Asks for a List on a connection of its own; how many bytes came back. */
static size_t list(struct fixture *f, char *ret, size_t size)
{
        static const char ask[] = "{\"method\":\"io.tokend.Keys.List\",\"parameters\":{},\"more\":true}";
        struct caller *caller = calloc(1, sizeof(*caller));
        struct connection *c;
        size_t length = 0;
        ssize_t n;
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(caller);
        *caller = (struct caller){.refs = 1, .uid = geteuid()};
        CU_ASSERT_EQUAL_FATAL(connection_new(&f->broker.keys, fds[0], caller, f->instance, false, &c), 0);
        CU_ASSERT_EQUAL(send(fds[1], ask, sizeof(ask), 0), (ssize_t)sizeof(ask));
        run(f);
        while ((n = recv(fds[1], ret + length, size - length, MSG_DONTWAIT)) > 0) {
                length += (size_t)n;
                run(f);
        }
        close(fds[1]);
        run(f);
        return length;
}

static void test_list(void)
{
        static char reply[LIMIT_MESSAGE * 4];
        struct fixture f;

        set_up(&f);
        greet(&f);
        for (uint64_t number = 1; number <= N_KEYS; number++)
                tell(&f, number);
        refreshed(&f);
        alloc_fail_sizes(N_KEYS * sizeof(struct entry *), N_KEYS * sizeof(struct entry *));
        /* No whole message comes. */
        CU_ASSERT_PTR_NULL(memchr(reply, 0, list(&f, reply, sizeof(reply))));
        alloc_fail_sizes(0, 0);
        CU_ASSERT_PTR_NOT_NULL(memchr(reply, 0, list(&f, reply, sizeof(reply))));
        CU_ASSERT_TRUE(link_is_empty(&f.broker.connections));
        tear_down(&f);
}

/* ---- continuations ---- */

struct waiter {
        struct op *op, *other; /* other: is given up as this one ends */
        struct fixture *f;
        unsigned n_ended;
};

static struct op *wait_for(struct fixture *f, struct waiter *waiter, void (*then)(struct op *op))
{
        struct op *op = waiter->op ? waiter->op : op_new(&f->broker, MESSAGE_TYPE_NONE_);

        CU_ASSERT_PTR_NOT_NULL_FATAL(op);
        waiter->op = op;
        waiter->f = f;
        op->token = f->token;
        op_set_instance(op, f->instance);
        op->deadline_usec = now_usec() + USEC_PER_SEC;
        op->then = then;
        op->cookie = (uintptr_t)waiter;
        token_wait(f->token, op);
        return op;
}

static struct waiter *waiter_of(const struct op *op)
{
        return (struct waiter *)(uintptr_t)op->cookie; // NOLINT: it was made of a pointer
}

static void end_other(struct op *op)
{
        struct waiter *waiter = waiter_of(op);

        waiter->n_ended++;
        if (waiter->other && waiter->other->state == OP_WAITING)
                backlog_end(waiter->other, END_DROPPED);
}

/* As where both are of one connection. */
static void test_ends_other(void)
{
        struct waiter first = {0}, second = {0}, third = {0};
        struct fixture f;

        set_up(&f);
        (void)wait_for(&f, &first, end_other);
        first.other = wait_for(&f, &second, end_other);
        third.other = first.other;
        (void)wait_for(&f, &third, end_other);
        CU_ASSERT_EQUAL(token_queued(f.token), 3);
        (void)token_tick(f.token, now_usec() + 2 * USEC_PER_SEC);
        CU_ASSERT_EQUAL(first.n_ended, 1);
        CU_ASSERT_EQUAL(second.n_ended, 1);
        CU_ASSERT_EQUAL(third.n_ended, 1);
        CU_ASSERT_EQUAL(token_queued(f.token), 0);
        op_unref(first.op);
        op_unref(second.op);
        op_unref(third.op);
        tear_down(&f);
}

static void wait_again(struct op *op)
{
        struct waiter *waiter = waiter_of(op);

        /* Once is enough to see that it is not ended as well. */
        if (++waiter->n_ended == 1)
                (void)wait_for(waiter->f, waiter, wait_again);
}

static void test_waits_again(void)
{
        struct waiter waiter = {0};
        struct fixture f;

        set_up(&f);
        (void)wait_for(&f, &waiter, wait_again);
        backlog_end_waiting(f.token, END_UNAVAILABLE);
        CU_ASSERT_EQUAL(waiter.n_ended, 1);
        CU_ASSERT_EQUAL(token_queued(f.token), 1);
        op_unref(waiter.op);
        tear_down(&f);
        CU_ASSERT_EQUAL(waiter.n_ended, 2);
}

SUITE(broker_worker, {"a token with too many objects is given up, and told why", test_full},
        {"no memory is not blamed on the worker", test_no_memory},
        {"a worker that sends what it must not is replaced", test_invalid},
        {"a worker that lost its channel and lives on is replaced", test_channel_closed},
        {"a worker whose end is told before its channel is read is not said to live on", test_gone_first},
        {"a List that there is no memory for is not an empty one", test_list},
        {"who ends another request when its own is late", test_ends_other},
        {"who waits again when its wait has ended", test_waits_again});
