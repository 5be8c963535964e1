/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See process-unit.h. A process number may be given to another process at any moment: the process is held by a pidfd, and
 * what was read of its number counts only if it was still alive afterwards. Units of users' own managers are not asked
 * for: anybody may call one as he likes.
 */
#include "daemon/supervisor/process-unit.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <systemd/sd-login.h>

/* Bytes of /proc/PID/stat (52 numbers and a name) and of a pidfd's fdinfo. */
#define PROC_TEXT 2048U

int process_unit_start_usec(const char *stat, uint64_t ticks_per_second, uint64_t *ret)
{
        /* The name, in brackets, may hold any character. */
        const char *at = strrchr(stat, ')');
        uint64_t ticks;

        /* starttime is the 22nd field; the 3rd follows the name. */
        for (unsigned field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at || ticks_per_second == 0 || sscanf(at, " %" SCNu64, &ticks) != 1 ||
                ticks > UINT64_MAX / USEC_PER_SEC)
                return -EBADMSG;
        *ret = ticks * USEC_PER_SEC / ticks_per_second;
        return 0;
}

int process_unit_fdinfo_pid(const char *fdinfo, pid_t *ret)
{
        const char *at = strstr(fdinfo, "\nPid:");
        long pid;

        if (!at || sscanf(at, "\nPid: %ld", &pid) != 1 || pid > INT32_MAX)
                return -EBADMSG;
        if (pid <= 0)
                return -ESRCH;
        *ret = (pid_t)pid;
        return 0;
}

static int read_proc(const char *path, char ret[static PROC_TEXT])
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, ret, PROC_TEXT - 1);
        if (n < 0)
                return -errno;
        ret[n] = '\0';
        return 0;
}

/* A pidfd is readable once its process has ended. */
static bool is_alive(int pidfd)
{
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

        return poll(&poll_fd, 1, 0) == 0;
}

/* The kernel does not say who connected: takes the process that has the number now, unless it started after the connection. */
static int open_by_number(pid_t pid, uint64_t accepted_usec, int *ret_pidfd)
{
        long ticks = sysconf(_SC_CLK_TCK);
        char path[64], text[PROC_TEXT];
        _cleanup_(closep) int pidfd = -1;
        uint64_t start;
        int r;

        pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
        if (pidfd < 0)
                return -errno;
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        r = read_proc(path, text);
        if (r == 0)
                r = process_unit_start_usec(text, ticks > 0 ? (uint64_t)ticks : 0, &start);
        if (r < 0)
                return r;
        if (start > accepted_usec)
                return -ESRCH;
        *ret_pidfd = take_fd(&pidfd);
        return 0;
}

static int number_of(int pidfd, pid_t *ret)
{
        char path[64], text[PROC_TEXT];
        int r;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        r = read_proc(path, text);
        return r < 0 ? r : process_unit_fdinfo_pid(text, ret);
}

int process_unit_find(int pidfd, pid_t pid, uint64_t accepted_usec, char **ret)
{
        _cleanup_(closep) int opened = -1;
        _cleanup_(freep) char *unit = NULL;
        int r;

        if (pid <= 0)
                return -ESRCH;
        if (pidfd >= 0)
                r = number_of(pidfd, &pid);
        else {
                r = open_by_number(pid, accepted_usec, &opened);
                pidfd = opened;
        }
        if (r < 0)
                return r;
        if (!is_alive(pidfd))
                return -ESRCH;
        r = sd_pid_get_unit(pid, &unit);
        if (r < 0)
                return r;
        if (!is_alive(pidfd))
                return -ESRCH;
        *ret = TAKE_PTR(unit);
        return 0;
}
