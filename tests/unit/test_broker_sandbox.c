/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/broker/sandbox: what a process can still do under the broker's filter, and what it cannot. Each in a child. */
#include "daemon/broker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/channel/channel.h"
#include "tests/unit/alloc.h"
#include "tests/unit/suite.h"

#define CONTROL_FD 3

/* A control and another socket pair, made before the filter was. */
struct sockets {
        int control, other;
};

/* In the child: 0, or the line of what was not as it should be. */
#define EXPECT(condition)                                                                                    \
        do {                                                                                                 \
                if (!(condition))                                                                            \
                        return __LINE__;                                                                     \
        } while (0)
#define REFUSED(call) EXPECT((errno = 0, (call) < 0 && errno == EPERM))

static int status_in_child(int (*function)(const struct sockets *))
{
        int control[2], other[2], status;
        pid_t child;

        CU_ASSERT_EQUAL_FATAL(channel_pair(control), 0);
        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, other), 0);
        child = fork();
        CU_ASSERT_FATAL(child >= 0);
        if (child == 0) {
                const struct sockets sockets = {
                        .control = CONTROL_FD, .other = fcntl(other[0], F_DUPFD_CLOEXEC, 10)};

                if (sockets.other < 0 || dup2(control[0], CONTROL_FD) < 0 || sandbox_close_off() != 0 ||
                        sandbox_enter() != 0)
                        _exit(255);
                _exit(function(&sockets) % 255);
        }
        CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
        for (size_t i = 0; i < 2; i++) {
                close(control[i]);
                close(other[i]);
        }
        return status;
}

static int needed(const struct sockets *sockets)
{
        struct ucred cred;
        socklen_t length = sizeof(cred);
        int n;

        EXPECT(fcntl(sockets->control, F_SETFL, O_NONBLOCK) == 0);
        EXPECT(channel_send(sockets->control, "x", 1, NULL, 0) == 0);
        EXPECT(channel_send(sockets->control, "x", 1, &sockets->other, 1) == 0);
        EXPECT(send(sockets->other, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1);
        EXPECT(recv(sockets->other, &n, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
        EXPECT(channel_receive(sockets->control, &n, 1, &(size_t){0}, (int[LIMIT_CHANNEL_FDS]){0}) ==
                -EAGAIN);
        EXPECT(ioctl(sockets->other, TIOCOUTQ, &n) == 0 && n > 0);
        EXPECT(getsockopt(sockets->control, SOL_SOCKET, SO_PEERCRED, &cred, &length) == 0);
        return 0;
}

static void test_needed(void)
{
        CU_ASSERT_EQUAL(status_in_child(needed), 0);
}

/* Each of these makes the kernel send a signal to another process. */
static int signals(const struct sockets *sockets)
{
        struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = getppid()};

        REFUSED(kill(owner.pid, 0));
        REFUSED(kill(getpid(), SIGTERM));
        REFUSED((int)syscall(SYS_tgkill, owner.pid, owner.pid, SIGABRT));
        REFUSED((int)syscall(SYS_tgkill, getpid(), getpid(), SIGSTOP));
        REFUSED((int)syscall(SYS_pidfd_send_signal, sockets->other, SIGSTOP, NULL, 0));
        REFUSED(fcntl(sockets->other, F_SETOWN, owner.pid));
        REFUSED(fcntl(sockets->other, F_SETOWN_EX, &owner));
        REFUSED(fcntl(sockets->other, F_SETSIG, SIGSTOP));
        REFUSED(fcntl(sockets->other, F_SETFL, O_NONBLOCK | O_ASYNC));
        REFUSED(fcntl(sockets->other, F_SETFL, O_ASYNC));
        REFUSED(fcntl(sockets->other, F_NOTIFY, 1));
        REFUSED(ioctl(sockets->other, FIOSETOWN, &owner.pid));
        REFUSED(ioctl(sockets->other, FIOASYNC, &owner.type));
        return 0;
}

static void test_signals(void)
{
        CU_ASSERT_EQUAL(status_in_child(signals), 0);
}

static int sends(const struct sockets *sockets)
{
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
        struct iovec iov = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};
        struct msghdr msg = {.msg_name = (void *)(uintptr_t)&address,
                .msg_namelen = sizeof(address),
                .msg_iov = &iov,
                .msg_iovlen = 1};

        REFUSED((int)sendto(sockets->other, "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)));
        REFUSED((int)sendmsg(sockets->other, &msg, 0));
        /* A client could give it a descriptor. */
        REFUSED((int)recvmsg(sockets->other, &msg, 0));
        return 0;
}

static void test_sends(void)
{
        CU_ASSERT_EQUAL(status_in_child(sends), 0);
}

static int others(const struct sockets *sockets)
{
        struct rlimit limit;
        int n = 1;

        REFUSED(fcntl(sockets->other, F_DUPFD_CLOEXEC, 100));
        REFUSED(dup2(sockets->other, sockets->control));
        REFUSED(setsockopt(sockets->other, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n)));
        REFUSED(getrlimit(RLIMIT_NOFILE, &limit));
        EXPECT(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
                errno == EPERM);
        return 0;
}

static void test_others(void)
{
        CU_ASSERT_EQUAL(status_in_child(others), 0);
}

static int makes_socket(const struct sockets *sockets)
{
        return socket(AF_UNIX, SOCK_DGRAM, 0) < 0;
}

static int connects(const struct sockets *sockets)
{
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};

        return connect(sockets->other, (const struct sockaddr *)&address, sizeof(address)) < 0;
}

static int opens(const struct sockets *sockets)
{
        return open("/dev/null", O_RDONLY | O_CLOEXEC) < 0;
}

static void test_deadly(void)
{
        int (*const functions[])(const struct sockets *) = {makes_socket, connects, opens};

        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
                int status = status_in_child(functions[i]);

                CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
        }
}

/* A failed assertion ends it as such, and not as a fault of the filter. */
static int aborts(const struct sockets *sockets)
{
        abort();
}

static void test_aborts(void)
{
        int status = status_in_child(aborts);

        CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* The filter is as whole without memory as with it: libseccomp would crash, or leave rules out. */
static void test_no_memory(void)
{
        pid_t child = fork();
        int status;

        CU_ASSERT_FATAL(child >= 0);
        if (child == 0) {
                alloc_fail(1, ULONG_MAX);
                if (sandbox_close_off() != 0 || sandbox_enter() != 0)
                        _exit(255);
                _exit((errno = 0, kill(getppid(), 0)) == 0 || errno != EPERM || getpid() <= 0);
        }
        CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
        CU_ASSERT_EQUAL(status, 0);
}

SUITE(broker_sandbox, {"under the filter the channels, the journal and the callers' names work", test_needed},
        {"no signal reaches another process, neither by kill nor by fcntl", test_signals},
        {"nothing is sent to an address, and no client gives it a descriptor", test_sends},
        {"descriptors, options and limits are not changed, and no memory is executable", test_others},
        {"who makes or connects a socket, or opens a file, is killed", test_deadly},
        {"abort still aborts", test_aborts}, {"no memory is needed for it", test_no_memory});
