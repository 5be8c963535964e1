/* SPDX-License-Identifier: MPL-2.0 */
/* See refusals.h. */
#include "daemon/doctor/refusals.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/ptrace.h>

#include "daemon/util/printable.h"

bool refusals_attach(pid_t pid)
{
        long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                       PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;

        return ptrace(PTRACE_SEIZE, pid, NULL, options) == 0 &&
               ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0;
}

static bool peek_word(pid_t thread, uint64_t address, long *ret)
{
        errno = 0;
        *ret = ptrace(PTRACE_PEEKDATA, thread, (void *)(uintptr_t)address, NULL);
        return errno == 0;
}

static void peek_bytes(pid_t thread, uint64_t address, void *ret, size_t size)
{
        long word;

        for (size_t n = 0; n < size && peek_word(thread, address + n, &word); n += sizeof(word))
                memcpy((char *)ret + n, &word, MIN_OF(sizeof(word), size - n));
}

static void peek_string(pid_t thread, uint64_t address, char *ret, size_t size)
{
        size_t n = 0;
        long word;

        while (n + sizeof(word) < size && peek_word(thread, address + n, &word)) {
                memcpy(ret + n, &word, sizeof(word));
                if (memchr(&word, 0, sizeof(word)))
                        return;
                n += sizeof(word);
        }
        ret[n] = '\0';
}

static void add(struct refusals *refusals, enum refusal_kind kind, int error, int want, const char *what)
{
        struct refusal *refusal = &refusals->items[refusals->n];

        for (size_t i = 0; i < refusals->n; i++)
                if (refusals->items[i].kind == kind && strcmp(refusals->items[i].what, what) == 0)
                        return;
        if (refusals->n == REFUSALS_MAX)
                return;
        *refusal = (struct refusal){.kind = kind, .error = error, .want = want};
        (void)snprintf(refusal->what, sizeof(refusal->what), "%s", what);
        refusals->n++;
}

static bool is_refused(int error)
{
        return error == -EACCES || error == -EPERM || error == -EROFS;
}

static void add_path(struct refusals *refusals, pid_t thread, uint64_t address, int error, int want)
{
        char path[2048] = "", shown[4096];

        peek_string(thread, address, path, sizeof(path));
        printable_copy(shown, sizeof(shown), path, strlen(path));
        /* What is not there is looked for in many places; a device is not. */
        if (is_refused(error) ||
                (error == -ENOENT && strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/tty", 8) != 0))
                add(refusals, REFUSAL_PATH, error, want, shown);
}

/* The C library asks these itself, and does without. */
static bool is_looked_for(const char *socket, int error)
{
        return error == -EINPROGRESS ||
               (error == -ENOENT && (strcmp(socket, "/dev/log") == 0 || strstr(socket, "/nscd/")));
}

static int wants(uint64_t flags)
{
        int mode = (int)flags & O_ACCMODE;

        return mode == O_RDONLY ? R_OK : mode == O_WRONLY ? W_OK : R_OK | W_OK;
}

static void add_connect(struct refusals *refusals, pid_t thread, const struct traced_call *call, int error)
{
        union {
                struct sockaddr any;
                struct sockaddr_un un;
                struct sockaddr_in in;
                struct sockaddr_in6 in6;
                char bytes[128];
        } address = {0};
        char text[INET6_ADDRSTRLEN] = "", shown[4096];

        peek_bytes(thread, call->arguments[1], &address, MIN_OF(call->arguments[2], sizeof(address)));
        if (address.any.sa_family == AF_UNIX && address.un.sun_path[0] &&
                !is_looked_for(address.un.sun_path, error)) {
                printable_copy(shown, sizeof(shown), address.un.sun_path,
                        strnlen(address.un.sun_path, sizeof(address.un.sun_path)));
                add(refusals, REFUSAL_PATH, error, R_OK | W_OK, shown);
        }
        if (!is_refused(error) && error != -ENETUNREACH && error != -EADDRNOTAVAIL)
                return;
        if (address.any.sa_family == AF_INET && inet_ntop(AF_INET, &address.in.sin_addr, text, sizeof(text)))
                add(refusals, REFUSAL_NETWORK, error, 0, text);
        if (address.any.sa_family == AF_INET6 &&
                inet_ntop(AF_INET6, &address.in6.sin6_addr, text, sizeof(text)))
                add(refusals, REFUSAL_NETWORK, error, 0, text);
}

/* A call of that thread has failed. */
static void look(struct refusals *refusals, pid_t thread, const struct traced_call *call, int error)
{
        const uint64_t *a = call->arguments;

        switch (call->number) {
#ifdef SYS_open
        case SYS_open:
                add_path(refusals, thread, a[0], error, wants(a[1]));
                break;
        case SYS_mkdir:
                add_path(refusals, thread, a[0], error, W_OK);
                break;
#endif
        case SYS_openat:
                add_path(refusals, thread, a[1], error, wants(a[2]));
                break;
        case SYS_mkdirat:
                add_path(refusals, thread, a[1], error, W_OK);
                break;
        case SYS_connect:
                add_connect(refusals, thread, call, error);
                break;
        case SYS_socket:
                if ((a[0] == AF_INET || a[0] == AF_INET6) && (is_refused(error) || error == -EAFNOSUPPORT))
                        add(refusals, REFUSAL_NETWORK, error, 0, "");
                break;
#ifdef SYS_shmget
        case SYS_shmget:
        case SYS_shmat:
        case SYS_semget:
                if (is_refused(error) || error == -ENOENT)
                        add(refusals, REFUSAL_IPC, error, 0, "");
                break;
#endif
        case SYS_mmap:
        case SYS_mprotect:
                if (is_refused(error) && (a[2] & PROT_EXEC))
                        add(refusals, REFUSAL_CODE, error, 0, "");
                break;
        default:
                break;
        }
}

static struct traced_call *call_of(struct refusals *refusals, pid_t thread)
{
        struct traced_call *free = NULL;

        for (size_t i = 0; i < TRACED_MAX; i++) {
                if (refusals->calls[i].thread == thread)
                        return &refusals->calls[i];
                if (!free && refusals->calls[i].thread == 0)
                        free = &refusals->calls[i];
        }
        if (free)
                *free = (struct traced_call){.thread = thread};
        return free;
}

static void at_call(struct refusals *refusals, pid_t thread)
{
        struct ptrace_syscall_info info = {0};
        struct traced_call *call = call_of(refusals, thread);

        if (!call || ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof(info), &info) <= 0)
                return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                call->number = info.entry.nr;
                for (size_t i = 0; i < ARRAY_SIZE(call->arguments); i++)
                        call->arguments[i] = info.entry.args[i];
        } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error)
                look(refusals, thread, call, (int)info.exit.rval);
}

void refusals_stopped(struct refusals *refusals, pid_t thread, int status)
{
        int signal = WSTOPSIG(status);
        long deliver = 0;

        if (signal == (SIGTRAP | 0x80))
                at_call(refusals, thread);
        else if (status >> 16 == PTRACE_EVENT_STOP && signal != SIGTRAP) {
                /* Stopped by a stop signal: it stays so. */
                (void)ptrace(PTRACE_LISTEN, thread, NULL, NULL);
                return;
        } else if (status >> 16 == 0)
                deliver = signal;
        (void)ptrace(PTRACE_SYSCALL, thread, NULL, deliver);
}
