/* SPDX-License-Identifier: MPL-2.0 */
/*
 * daemon/sandbox/filter: what the filters of tokend-audit and of the supervisor refuse, and what a process goes on with. Each in a child. The
 * broker's are in test_broker_sandbox.c; that nothing is refused which is needed, tests/integration/test_filter.py says.
 */
#include "daemon/sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/sandbox/close-off.h"
#include "tests/unit/suite.h"

/* In the child: 0, or the line of what was not as it should be. */
#define EXPECT(condition)                                                                                    \
        do {                                                                                                 \
                if (!(condition))                                                                            \
                        return __LINE__;                                                                     \
        } while (0)
#define REFUSED(call) EXPECT((errno = 0, (call) < 0 && errno == EPERM))

static int status_in_child(const struct filter *filter, int (*function)(void))
{
        pid_t child = fork();
        int status;

        CU_ASSERT_FATAL(child >= 0);
        if (child == 0) {
                if (close_off() != 0 || filter_enter(filter) != 0)
                        _exit(255);
                _exit(function() % 255);
        }
        CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
        return status;
}

static int audit_refuses(void)
{
        char room[16];

        REFUSED(kill(getppid(), 0));
        REFUSED(syscall(SYS_tgkill, getppid(), getppid(), SIGABRT));
        REFUSED(fcntl(0, F_SETOWN, getppid()));
        REFUSED(fcntl(0, F_SETSIG, SIGSTOP));
        REFUSED(fcntl(0, F_SETFL, O_ASYNC));
        REFUSED(sendto(0, "x", 1, 0, (const struct sockaddr *)room, sizeof(room)));
        REFUSED(syscall(SYS_sendmsg, 0, room, 0));
        REFUSED(syscall(SYS_fchmodat, AT_FDCWD, "/tmp", 0777));
        REFUSED(syscall(SYS_mkdirat, AT_FDCWD, "/tmp/x", 0777));
        REFUSED(syscall(SYS_truncate, "/tmp/x", 0));
        REFUSED(syscall(SYS_unshare, CLONE_NEWUSER));
        REFUSED(syscall(SYS_userfaultfd, 0));
        REFUSED(syscall(SYS_prctl, 1, SIGKILL, 0, 0, 0));
        return 0;
}

static int audit_executes(void)
{
        return execl("/bin/true", "true", NULL);
}

static int audit_makes_socket(void)
{
        return socket(AF_INET, SOCK_STREAM, 0) < 0;
}

static int audit_forks(void)
{
        return fork() < 0;
}

static int audit_traces(void)
{
        return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0;
}

static void test_audit(void)
{
        int (*const deadly[])(void) = {audit_executes, audit_makes_socket, audit_forks, audit_traces};

        CU_ASSERT_EQUAL(status_in_child(&filter_audit, audit_refuses), 0);
        for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
                int status = status_in_child(&filter_audit, deadly[i]);

                CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
        }
}

static int supervisor_refuses(void)
{
        char room[256] = {0};

        REFUSED(syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0));
        REFUSED(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
        REFUSED(syscall(SYS_process_vm_writev, getpid(), NULL, 0, NULL, 0, 0));
        REFUSED(syscall(SYS_pidfd_getfd, 0, 0, 0));
        REFUSED(syscall(SYS_io_uring_setup, 1, room));
        REFUSED(syscall(SYS_userfaultfd, 0));
        REFUSED(syscall(SYS_bpf, 0, room, 0));
        REFUSED(syscall(SYS_perf_event_open, room, 0, -1, -1, 0));
        REFUSED(unshare(CLONE_NEWUSER));
        REFUSED(setns(0, 0));
        REFUSED(mount("none", "/tmp", "tmpfs", 0, NULL));
        REFUSED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
        REFUSED(syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL));
        EXPECT((errno = 0, syscall(SYS_clone3, room, 88) < 0 && errno == ENOSYS));
        return 0;
}

static void *nothing(void *userdata)
{
        return userdata;
}

/* Threads, programs and files are what they were. */
static int supervisor_goes_on(void)
{
        char *argv[] = {(char[]){"true"}, NULL};
        pthread_t thread;
        int status, fd;
        pid_t pid;

        EXPECT(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
        EXPECT(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, argv + 1) == 0);
        EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        EXPECT(fd >= 0 && close(fd) == 0);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT(fd >= 0 && close(fd) == 0);
        EXPECT(kill(getppid(), 0) == 0);
        return 0;
}

static void test_supervisor(void)
{
        CU_ASSERT_EQUAL(status_in_child(&filter_supervisor, supervisor_refuses), 0);
        CU_ASSERT_EQUAL(status_in_child(&filter_supervisor, supervisor_goes_on), 0);
}

SUITE(sandbox_filter, {"tokend-audit signals nobody, starts nothing and has no socket", test_audit},
        {"the supervisor and what it starts have no way into others, and go on as before", test_supervisor});
