/* SPDX-License-Identifier: MPL-2.0 */
/* See reach.h. */
#include "tests/module/reach.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static bool signals(pid_t pid)
{
        return kill(pid, 0) == 0;
}

static bool signals_by_pidfd(pid_t pid)
{
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        return fd >= 0 && syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0) == 0;
}

static bool traces(pid_t pid)
{
        return ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
}

static bool reads_memory(pid_t pid)
{
        char room[8];
        struct iovec local = {.iov_base = room, .iov_len = sizeof(room)}, remote = local;

        return syscall(SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0) > 0;
}

static bool opens_memory(pid_t pid)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
        fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0)
                close(fd);
        return fd >= 0;
}

static bool lists_descriptors(pid_t pid)
{
        char path[64], target[64];

        snprintf(path, sizeof(path), "/proc/%d/fd/3", (int)pid);
        return readlink(path, target, sizeof(target)) > 0;
}

static bool takes_descriptor(pid_t pid)
{
        int fd = (int)syscall(SYS_pidfd_open, pid, 0);

        return fd >= 0 && syscall(SYS_pidfd_getfd, fd, 3, 0) >= 0;
}

static bool makes_ring(pid_t pid)
{
        /* A struct io_uring_params of zeros. */
        return syscall(SYS_io_uring_setup, 1, (uint64_t[15]){0}) >= 0;
}

static bool leaves_namespace(pid_t pid)
{
        return unshare(CLONE_NEWUSER) == 0;
}

unsigned long module_reach(pid_t pid)
{
        bool (*const ways[])(pid_t) = {signals, signals_by_pidfd, traces, reads_memory, opens_memory,
                lists_descriptors, takes_descriptor, makes_ring, leaves_namespace};
        unsigned long reached = 0;

        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
                if (ways[i](pid))
                        reached |= 1UL << i;
        return reached;
}
