/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The seccomp filter of the broker. It gives three answers:
 *   allow  what the broker's code, sd-event, the allocator and abort(3) call after GO. Where a call can do more than they
 *          need, its arguments are checked as well;
 *   kill   what only someone who took the process over would call: programs, files, sockets, other processes;
 *   EPERM  everything else. A call that a new libc makes then fails by itself, and the service goes on.
 * tests/integration/test_filter.py fails when the broker makes a call that is refused.
 */
#include "daemon/broker/sandbox.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "daemon/util/macros.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

/* The same on every architecture that has it; the headers of Linux 6.1 do not. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static const int allowed[] = {
        /* The event loop and its timer. Which of these calls it is depends on the libsystemd and on the architecture. */
        SCMP_SYS(epoll_wait),
        SCMP_SYS(epoll_pwait),
        SCMP_SYS(epoll_pwait2),
        SCMP_SYS(epoll_ctl),
        SCMP_SYS(timerfd_settime),
        SCMP_SYS(read),
        /* Connections, and the channels that come over the control. */
        SCMP_SYS(accept4),
        SCMP_SYS(recvfrom),
        SCMP_SYS(recvmsg),
        SCMP_SYS(close),
        /* The configuration, in a memfd. */
        SCMP_SYS(pread64),
        /* The log: poll(3) is ppoll(2) where there is no poll(2). */
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(write),
        SCMP_SYS(getpid),
        /* Memory. mmap(2) is among the rules below. */
        SCMP_SYS(brk),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        /* Time is read without a call, but where the machine's clock does not allow that. */
        SCMP_SYS(clock_gettime),
        SCMP_SYS(getrandom),
        /* The end: exit(3); abort(3), and the message that glibc writes before it. */
        SCMP_SYS(exit_group),
        SCMP_SYS(gettid),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(writev),
#ifdef SANITIZED
        SCMP_SYS(madvise),
        SCMP_SYS(mprotect),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(futex),
        SCMP_SYS(sched_yield),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(membarrier),
        SCMP_SYS(exit),
#endif
};

static const int deadly[] = {
        SCMP_SYS(execve),
        SCMP_SYS(execveat),
        SCMP_SYS(fork),
        SCMP_SYS(vfork),
        SCMP_SYS(clone),
        SCMP_SYS(clone3),
        SCMP_SYS(open),
        SCMP_SYS(openat),
        SCMP_SYS(openat2),
        SCMP_SYS(creat),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(socket),
        SCMP_SYS(connect),
        SCMP_SYS(bind),
        SCMP_SYS(ptrace),
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(pidfd_getfd),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(mount),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(kexec_load),
        SCMP_SYS(bpf),
};

#define ARGS_MAX 2U

/* A call that is allowed with these arguments alone. An argument that is not named may be anything. */
struct rule {
        int syscall;
        struct scmp_arg_cmp args[ARGS_MAX];
        unsigned n_args;
};

#define IS(n, value)                                                                                         \
        {                                                                                                    \
                .arg = (n), .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)(value)                              \
        }
#define HAS(n, mask, bits)                                                                                   \
        {                                                                                                    \
                .arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (bits)                   \
        }

static const struct rule rules[] = {
        /* Without F_SETOWN, F_SETSIG and O_ASYNC: with them the kernel sends any signal to any process of this user. */
        {SCMP_SYS(fcntl), {IS(1, F_SETFL), IS(2, O_NONBLOCK)}, 2},
        {SCMP_SYS(fcntl), {IS(1, F_GET_SEALS)}, 1},
        /* Without an address: with one, a datagram goes to any socket that this user may reach. */
        {SCMP_SYS(sendto), {IS(4, 0)}, 1},
        {SCMP_SYS(getsockopt), {IS(1, SOL_SOCKET), IS(2, SO_PEERCRED)}, 2},
        {SCMP_SYS(getsockopt), {IS(1, SOL_SOCKET), IS(2, SO_PEERGROUPS)}, 2},
        {SCMP_SYS(getsockopt), {IS(1, SOL_SOCKET), IS(2, SO_PEERPIDFD)}, 2},
        /* What journald has not read yet. */
        {SCMP_SYS(ioctl), {IS(1, SIOCOUTQ)}, 1},
        /* Never executable, and of no file. */
        {SCMP_SYS(mmap), {HAS(2, PROT_EXEC, 0), HAS(3, MAP_ANONYMOUS, MAP_ANONYMOUS)}, 2},
};

static int add(scmp_filter_ctx filter, const struct rule *rule)
{
        return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->syscall, rule->n_args, rule->args);
}

static int add_rules(scmp_filter_ctx filter, int control_fd)
{
        /* The address of a sendmsg(2) lies in memory, which no filter sees: it is for the control, whose socket is connected
         * and takes none. */
        const struct rule own[] = {
                {SCMP_SYS(sendmsg), {IS(0, control_fd)}, 1},
                {SCMP_SYS(tgkill), {IS(0, getpid()), IS(2, SIGABRT)}, 2},
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(allowed) && r == 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        for (size_t i = 0; i < ARRAY_SIZE(deadly) && r == 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
        for (size_t i = 0; i < ARRAY_SIZE(rules) && r == 0; i++)
                r = add(filter, &rules[i]);
        for (size_t i = 0; i < ARRAY_SIZE(own) && r == 0; i++)
                r = add(filter, &own[i]);
        return r;
}

int sandbox_enter(int control_fd)
{
        scmp_filter_ctx filter;
        int r;

        /* A dump would hold what clients sent; and no process of the same user may look into this one. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        if (!filter)
                return -ENOMEM;
        r = add_rules(filter, control_fd);
        if (r == 0)
                r = seccomp_load(filter);
        seccomp_release(filter);
        return r;
}
