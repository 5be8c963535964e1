/* SPDX-License-Identifier: MPL-2.0 */
/* See planted.h. Calls that end the process, each with what an intruder would give it. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "tests/planted/planted.h"

static void opens(const struct planted *planted, unsigned which)
{
        const struct targets *t = &planted->targets;
        const char *const paths[] = {t->pin, t->store, t->audit_file, "/proc/self/fd/0", "/proc/self/mem"};

        must_refuse("openat", syscall(SYS_openat, AT_FDCWD, paths[which], O_RDWR));
}

static void opens_path(const struct planted *planted, unsigned argument)
{
        struct open_how how = {.flags = O_PATH};

        must_refuse("openat2", syscall(SYS_openat2, planted->broker->uplink.fd, "..", &how, sizeof(how)));
}

static void reads_memory(const struct planted *planted, unsigned call)
{
        char room[64];
        struct iovec local = {.iov_base = room, .iov_len = sizeof(room)}, remote = local;

        must_refuse("memory of a worker", syscall(call, planted->targets.worker, &local, 1, &remote, 1, 0));
}

static void executes(const struct planted *planted, unsigned call)
{
        char *const argv[] = {(char[]){"/bin/sh"}, NULL};

        if (call == SYS_execveat)
                must_refuse("execveat", syscall(call, AT_FDCWD, argv[0], argv, NULL, 0));
        else
                must_refuse("execve", syscall(call, argv[0], argv, NULL));
}

static void connects(const struct planted *planted, unsigned call)
{
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/private"};

        must_refuse("an address", syscall(call, planted->broker->keys.fd, &address, sizeof(address)));
}

static void traces(const struct planted *planted, unsigned argument)
{
        must_refuse("ptrace", syscall(SYS_ptrace, PTRACE_ATTACH, planted->targets.worker, NULL, NULL));
}

/* A call whose arguments do not matter: it ends the process before they are looked at. */
static void calls(const struct planted *planted, unsigned call)
{
        must_refuse("a call", syscall(call, planted->targets.worker, 0, 0, 0, 0, 0));
}

static void makes_socket(const struct planted *planted, unsigned family)
{
        must_refuse("socket", syscall(SYS_socket, family, SOCK_STREAM, 0));
}

static const struct attempt list[] = {
        {"open-the-pin", END_SIGSYS, opens, 0},
        {"open-the-keys", END_SIGSYS, opens, 1},
        {"open-the-audit-file", END_SIGSYS, opens, 2},
        {"open-a-descriptor", END_SIGSYS, opens, 3},
        {"open-own-memory", END_SIGSYS, opens, 4},
        {"open-a-path", END_SIGSYS, opens_path, 0},
        {"open-by-handle", END_SIGSYS, calls, SYS_open_by_handle_at},
        {"read-memory-of-a-worker", END_SIGSYS, reads_memory, SYS_process_vm_readv},
        {"write-memory-of-a-worker", END_SIGSYS, reads_memory, SYS_process_vm_writev},
        {"take-a-descriptor-of-a-worker", END_SIGSYS, calls, SYS_pidfd_getfd},
        {"trace-a-worker", END_SIGSYS, traces, 0},
        {"execute", END_SIGSYS, executes, SYS_execve},
        {"execute-at", END_SIGSYS, executes, SYS_execveat},
        {"clone", END_SIGSYS, calls, SYS_clone},
        {"clone3", END_SIGSYS, calls, SYS_clone3},
        {"socket-of-inet", END_SIGSYS, makes_socket, AF_INET},
        {"socket-of-unix", END_SIGSYS, makes_socket, AF_UNIX},
        {"connect", END_SIGSYS, connects, SYS_connect},
        {"bind", END_SIGSYS, connects, SYS_bind},
        {"io-uring", END_SIGSYS, calls, SYS_io_uring_setup},
        {"mount", END_SIGSYS, calls, SYS_mount},
        {"bpf", END_SIGSYS, calls, SYS_bpf},
        {"load-a-module", END_SIGSYS, calls, SYS_finit_module},
        {"load-a-kernel", END_SIGSYS, calls, SYS_kexec_load},
};

const struct attempts attempts_deadly = {list, ARRAY_SIZE(list)};
