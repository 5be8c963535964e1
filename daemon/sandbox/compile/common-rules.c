/* SPDX-License-Identifier: MPL-2.0 */
/* See rules.h. What the filters of broker and tokend-audit share. */
#include <signal.h>
#include <sys/mman.h>

#include "daemon/sandbox/compile/rules.h"
#include "daemon/sandbox/filter.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

static const struct rule common[] = {
        ALLOW(close),
        /* Without an address: with one, a datagram goes to any socket that this user may reach. */
        ALLOW_IF(sendto, IS(4, 0)),
        ALLOW(recvfrom),
        /* The log: poll(3) is ppoll(2) where there is no poll(2). A poll that was stopped and continued is restarted by the kernel. */
        ALLOW(poll),
        ALLOW(ppoll),
        ALLOW(restart_syscall),
        ALLOW(write),
        ALLOW(getpid),
        /* Memory: never executable, and of no file. */
        ALLOW(brk),
        ALLOW(munmap),
        ALLOW(mremap),
        ALLOW_IF(mmap, HAS(2, PROT_EXEC, 0), HAS(3, MAP_ANONYMOUS, MAP_ANONYMOUS)),
        /* Time is read without a call, but where the machine's clock does not allow that. */
        ALLOW(clock_gettime),
        ALLOW(getrandom),
        /* The end: exit(3); abort(3), and the message that glibc writes before it. */
        ALLOW(exit_group),
        ALLOW(gettid),
        ALLOW(rt_sigaction),
        ALLOW(rt_sigprocmask),
        ALLOW(writev),
        ALLOW_IF(tgkill, IS(0, FILTER_OWN_PID), IS(2, SIGABRT)),
#ifdef SANITIZED
        ALLOW(madvise),
        ALLOW(mprotect),
        ALLOW(sigaltstack),
        ALLOW(futex),
        ALLOW(sched_yield),
        ALLOW(rt_sigreturn),
        ALLOW(clock_nanosleep),
        ALLOW(membarrier),
        ALLOW(exit),
#endif
};

static const struct rule deadly[] = {
        KILL(execve),
        KILL(execveat),
        KILL(fork),
        KILL(vfork),
        KILL(clone),
        KILL(clone3),
        KILL(open_by_handle_at),
        KILL(socket),
        KILL(connect),
        KILL(bind),
        KILL(ptrace),
        KILL(process_vm_readv),
        KILL(process_vm_writev),
        KILL(pidfd_getfd),
        KILL(io_uring_setup),
        KILL(mount),
        KILL(init_module),
        KILL(finit_module),
        KILL(kexec_load),
        KILL(bpf),
};

const struct rules rules_common = {common, ARRAY_SIZE(common)};
const struct rules rules_deadly = {deadly, ARRAY_SIZE(deadly)};
