/* SPDX-License-Identifier: MPL-2.0 */
/* See planted.h. Calls that are refused: those with a name, and then every other number that the rules do not allow. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "daemon/sandbox/compile/rules.h"
#include "daemon/util/log.h"
#include "tests/planted/planted.h"

/* Above the last call that there is. */
#define CALLS 700

static void signals_to(pid_t pid)
{
        siginfo_t info = {.si_signo = SIGSTOP, .si_code = SI_QUEUE};

        must_refuse("kill", kill(pid, SIGSTOP));
        must_refuse("tgkill", syscall(SYS_tgkill, pid, pid, SIGSTOP));
        must_refuse("tgkill with SIGABRT", syscall(SYS_tgkill, pid, pid, SIGABRT));
        must_refuse("tkill", syscall(SYS_tkill, pid, SIGSTOP));
        must_refuse("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, pid, SIGSTOP, &info));
        must_refuse("rt_tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, pid, pid, SIGSTOP, &info));
        must_refuse("pidfd_open", syscall(SYS_pidfd_open, pid, 0));
        must_refuse("setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 19));
        must_refuse("sched_setscheduler", syscall(SYS_sched_setscheduler, pid, SCHED_IDLE, &(int){0}));
        must_refuse("prlimit", syscall(SYS_prlimit64, pid, RLIMIT_CPU, &(struct rlimit){0}, NULL));
        must_refuse("migrate_pages", syscall(SYS_migrate_pages, pid, 0, NULL, NULL));
}

static void signals(const struct planted *planted, unsigned argument)
{
        const struct targets *t = &planted->targets;

        signals_to(t->worker);
        signals_to(t->audit);
        signals_to(t->supervisor);
        must_refuse("kill of the group", kill(0, SIGSTOP));
}

/* The kernel sends them, on behalf of a descriptor, a timer or a queue. */
static void signals_by_kernel(const struct planted *planted, unsigned argument)
{
        pid_t pid = planted->targets.worker;
        struct f_owner_ex owner = {.type = F_OWNER_PID, .pid = pid};
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
        timer_t timer;

        for (int fd = 0; fd < 64; fd++) {
                must_refuse("F_SETOWN", fcntl(fd, F_SETOWN, pid));
                must_refuse("F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &owner));
                must_refuse("F_SETSIG", fcntl(fd, F_SETSIG, SIGKILL));
                must_refuse("O_ASYNC", fcntl(fd, F_SETFL, O_ASYNC));
                must_refuse("O_ASYNC and O_NONBLOCK", fcntl(fd, F_SETFL, O_ASYNC | O_NONBLOCK));
                must_refuse("F_NOTIFY", fcntl(fd, F_NOTIFY, DN_ACCESS | DN_MULTISHOT));
                must_refuse("F_SETLEASE", fcntl(fd, F_SETLEASE, F_RDLCK));
                must_refuse("FIOASYNC", ioctl(fd, FIOASYNC, &(int){1}));
                must_refuse("FIOSETOWN", ioctl(fd, FIOSETOWN, &pid));
                must_refuse("TIOCSTI", ioctl(fd, TIOCSTI, "x"));
        }
        must_refuse("PR_SET_PDEATHSIG", prctl(PR_SET_PDEATHSIG, SIGKILL));
        must_refuse("PR_SET_DUMPABLE", prctl(PR_SET_DUMPABLE, 1));
        must_refuse("timer_create", syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
        must_refuse("setitimer", syscall(SYS_setitimer, 0, NULL, NULL));
        must_refuse("mq_open", syscall(SYS_mq_open, "planted", O_CREAT | O_RDWR, 0600, NULL));
        must_refuse("mq_notify", syscall(SYS_mq_notify, 3, &event));
}

static void memory_and_views(const struct planted *planted, unsigned argument)
{
        must_refuse("memory that is executed", (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        must_refuse("memory of a file", (long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 0, 0));
        must_refuse("mprotect",
                mprotect((void *)((uintptr_t)&planted & ~UINT64_C(4095)), 4096, PROT_READ | PROT_EXEC));
        must_refuse("userfaultfd", syscall(SYS_userfaultfd, 0));
        must_refuse("unshare", unshare(CLONE_NEWUSER));
        must_refuse("setns", setns(3, 0));
        must_refuse("shmget", syscall(SYS_shmget, IPC_PRIVATE, 4096, IPC_CREAT | 0600));
        must_refuse("semget", syscall(SYS_semget, IPC_PRIVATE, 1, IPC_CREAT | 0600));
        must_refuse("msgget", syscall(SYS_msgget, IPC_PRIVATE, IPC_CREAT | 0600));
        must_refuse("memfd_create", memfd_create("planted", 0));
        must_refuse("add_key", syscall(SYS_add_key, "user", "planted", "x", 1, -1));
        must_refuse("keyctl", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
        must_refuse("process_madvise", syscall(SYS_process_madvise, 3, NULL, 0, 0, 0));
        must_refuse(
                "perf_event_open", syscall(SYS_perf_event_open, NULL, planted->targets.worker, -1, -1, 0));
        must_refuse("kcmp", syscall(SYS_kcmp, getpid(), planted->targets.worker, 0, 0, 0));
}

/* Files by their name, or by a descriptor. */
static void paths(const struct planted *planted, unsigned argument)
{
        const struct targets *t = &planted->targets;
        char room[256];

        must_refuse("unlink", syscall(SYS_unlinkat, AT_FDCWD, t->audit_file, 0));
        must_refuse("rename", syscall(SYS_renameat2, AT_FDCWD, t->audit_file, AT_FDCWD, "/tmp/planted", 0));
        must_refuse("link", syscall(SYS_linkat, AT_FDCWD, t->pin, AT_FDCWD, "/tmp/planted", 0));
        must_refuse("symlink", syscall(SYS_symlinkat, "/", AT_FDCWD, "/tmp/planted"));
        must_refuse("chmod", syscall(SYS_fchmodat, AT_FDCWD, t->pin, 0666));
        must_refuse("chown", syscall(SYS_fchownat, AT_FDCWD, t->pin, -1, -1, 0));
        must_refuse("mkdir", syscall(SYS_mkdirat, AT_FDCWD, "/tmp/planted", 0777));
        must_refuse("mknod", syscall(SYS_mknodat, AT_FDCWD, "/tmp/planted", 0010666, 0));
        must_refuse("truncate", syscall(SYS_truncate, t->audit_file, 0));
        must_refuse("utimensat", syscall(SYS_utimensat, AT_FDCWD, t->audit_file, NULL, 0));
        must_refuse("statx", syscall(SYS_statx, AT_FDCWD, t->pin, 0, 0, room));
        must_refuse("access", syscall(SYS_faccessat, AT_FDCWD, t->pin, 0));
        must_refuse("inotify", syscall(SYS_inotify_init1, 0));
        must_refuse("chdir", syscall(SYS_chdir, "/"));
        must_refuse("chroot", syscall(SYS_chroot, "/"));
        must_refuse("readlink", syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/fd/1", room, sizeof(room)));
        for (int fd = 0; fd < 64; fd++) {
                must_refuse("fchdir", syscall(SYS_fchdir, fd));
                must_refuse("name_to_handle_at",
                        syscall(SYS_name_to_handle_at, fd, "", room, room, AT_EMPTY_PATH));
                must_refuse("getdents", syscall(SYS_getdents64, fd, room, sizeof(room)));
                must_refuse("ftruncate", syscall(SYS_ftruncate, fd, 0));
                must_refuse("F_DUPFD", fcntl(fd, F_DUPFD, 900));
                must_refuse("F_ADD_SEALS", fcntl(fd, F_ADD_SEALS, 0));
                must_refuse("dup", dup(fd));
        }
}

/* To an address, and to or from whoever is not the supervisor. */
static void sockets(const struct planted *planted, unsigned argument)
{
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/notify"};
        struct iovec iov = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};
        struct msghdr msg = {.msg_name = (void *)(uintptr_t)&address,
                .msg_namelen = sizeof(address),
                .msg_iov = &iov,
                .msg_iovlen = 1};

        for (int fd = 0; fd < 64; fd++) {
                must_refuse("sendto",
                        sendto(fd, "x", 1, MSG_DONTWAIT, (const struct sockaddr *)&address, sizeof(address)));
                must_refuse("setsockopt", setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)));
                must_refuse("getsockopt", getsockopt(fd, SOL_SOCKET, SO_ERROR, &(int){1}, &(socklen_t){4}));
                must_refuse("shutdown", shutdown(fd, SHUT_RDWR));
                must_refuse("listen", listen(fd, 1));
                must_refuse("splice", syscall(SYS_splice, fd, NULL, fd, NULL, 1, 0));
                must_refuse("sendmmsg", syscall(SYS_sendmmsg, fd, &msg, 1, 0));
                must_refuse("recvmmsg", syscall(SYS_recvmmsg, fd, &msg, 1, MSG_DONTWAIT, NULL));
                if (fd == planted->broker->uplink.fd)
                        continue;
                must_refuse("sendmsg", sendmsg(fd, &msg, MSG_DONTWAIT));
                must_refuse("recvmsg", recvmsg(fd, &msg, MSG_DONTWAIT));
        }
}

static bool is_named(long number)
{
        const struct rules *const lists[] = {&rules_common, &rules_broker, &rules_deadly};

        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
                for (size_t j = 0; j < lists[i]->n; j++)
                        if (lists[i]->list[j].call == number)
                                return true;
        return false;
}

/* The kernel puts these into a program itself, and lets them through every filter: who calls them gets SIGILL. */
static bool is_kernels_own(long number)
{
#ifdef __x86_64__
        return number == 335 || number == 336; /* uretprobe, uprobe */
#else
        return false;
#endif
}

static void all_others(const struct planted *planted, unsigned argument)
{
        for (long number = 0; number < CALLS; number++) {
                char what[32];

                if (is_named(number) || is_kernels_own(number))
                        continue;
                snprintf(what, sizeof(what), "call %ld", number);
                must_refuse(what, syscall(number, 0, 0, 0, 0, 0, 0));
        }
}

static const struct attempt list[] = {
        {"signals", END_NONE, signals, 0},
        {"signals-by-the-kernel", END_NONE, signals_by_kernel, 0},
        {"memory-and-views", END_NONE, memory_and_views, 0},
        {"paths", END_NONE, paths, 0},
        {"sockets", END_NONE, sockets, 0},
        {"all-other-calls", END_NONE, all_others, 0},
};

const struct attempts attempts_call = {list, ARRAY_SIZE(list)};
