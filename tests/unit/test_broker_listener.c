/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/broker/listener: what it does without a descriptor left. */
#include "daemon/broker/net/listener.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/broker/broker.h"
#include "daemon/util/log.h"
#include "tests/unit/suite.h"

/* Turns of the loop without a descriptor: each is an accept that fails, and a rest. */
#define TURNS 20U

static int listening(struct sockaddr_un *ret)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        /* In the abstract namespace: there is no file to be removed. */
        snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "tokend-test-listener-%d", (int)getpid());
        CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)ret, sizeof(*ret)), 0);
        CU_ASSERT_EQUAL_FATAL(listen(fd, 8), 0);
        return fd;
}

static unsigned count(const char *text, const char *word)
{
        unsigned n = 0;

        for (const char *at = text; (at = strstr(at, word)); at++)
                n++;
        return n;
}

/* What the turns write to the log. */
static void turns(struct broker *broker, char *ret, size_t size)
{
        int old = dup(STDERR_FILENO), next, fds[2];
        struct rlimit limit, none;
        ssize_t n;

        CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
        dup2(fds[1], STDERR_FILENO);
        log_open("unit");
        /* The lowest that is free is the first that is not to be had. */
        next = dup(STDERR_FILENO);
        close(next);
        none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = limit.rlim_max};
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
        for (unsigned i = 0; i < TURNS; i++) {
                CU_ASSERT_TRUE(sd_event_run(broker->loop.event, 0) >= 0);
                CU_ASSERT_NOT_EQUAL(broker->accept_again_usec, USEC_NEVER);
                (void)listener_tick(broker, broker->accept_again_usec);
        }
        CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
        dup2(old, STDERR_FILENO);
        log_open("unit");
        close(old);
        n = read(fds[0], ret, size - 1);
        ret[n > 0 ? n : 0] = '\0';
        close(fds[0]);
        close(fds[1]);
}

/* A broker that listens; returns the supervisor's end of its control. */
static int set_up(struct broker *broker, struct sockaddr_un *ret)
{
        static const char text[] = "[Daemon]\nAudit=none\n";
        struct config *config = NULL;
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(channel_pair(fds), 0);
        CU_ASSERT_EQUAL_FATAL(broker_init(broker, fds[0]), 0);
        CU_ASSERT_EQUAL_FATAL(config_parse("f", text, strlen(text), NULL, NULL, &config), 0);
        CU_ASSERT_EQUAL_FATAL(broker_configure(broker, config, true), 0);
        CU_ASSERT_EQUAL_FATAL(listener_set(broker, LISTEN_KEYS, listening(ret)), 0);
        CU_ASSERT_EQUAL_FATAL(listener_start(broker), 0);
        return fds[1];
}

static int connected(const struct sockaddr_un *address)
{
        int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CU_ASSERT_EQUAL_FATAL(connect(client, (const struct sockaddr *)address, sizeof(*address)), 0);
        return client;
}

/* All of one user, whatever else would let him in. */
static void test_share(void)
{
        struct sockaddr_un address;
        struct broker broker;
        int clients[5], control = set_up(&broker, &address);

        broker.max_keys_connections = ARRAY_SIZE(clients);
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
                clients[i] = connected(&address);
        while (sd_event_run(broker.loop.event, 0) > 0)
                ;
        CU_ASSERT_EQUAL(broker.keys.n_connections, 3);
        for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
                close(clients[i]);
        broker_done(&broker);
        close(control);
}

static void test_no_descriptor(void)
{
        struct sockaddr_un address;
        struct broker broker;
        char log[8192];
        int control = set_up(&broker, &address), client = connected(&address);

        turns(&broker, log, sizeof(log));
        CU_ASSERT_EQUAL(count(log, "cannot accept"), 1);
        /* With descriptors it is served. */
        CU_ASSERT_TRUE(sd_event_run(broker.loop.event, 0) > 0);
        CU_ASSERT_EQUAL(broker.keys.n_connections, 1);
        close(client);
        broker_done(&broker);
        close(control);
}

SUITE(broker_listener, {"one user has half of the connections that others leave, and no more", test_share},
        {"without a descriptor left the log is not filled, and clients are served later",
                test_no_descriptor});
