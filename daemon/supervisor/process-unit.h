/* SPDX-License-Identifier: MPL-2.0 */
/* In which unit of the system's service manager the process at the other end of a connection runs. */
#pragma once

#include <sys/types.h>

#include "daemon/util/macros.h"

/* pidfd: of the process, as the kernel gave it for the connection; -1: the kernel gives no pidfd, so pid is used.
 * accepted_usec: CLOCK_BOOTTIME, when the connection was accepted. -ESRCH: the process has ended, or its number belongs to
 * another one by now; -ENODATA: it runs in no unit; -errno. The caller frees. */
int process_unit_find(int pidfd, pid_t pid, uint64_t accepted_usec, char **ret);

/* When a process started (CLOCK_BOOTTIME, floored to a tick), from the text of its /proc/PID/stat. -EBADMSG. */
int process_unit_start_usec(const char *stat, uint64_t ticks_per_second, uint64_t *ret);

/* The process number in the text of a pidfd's fdinfo. -ESRCH: it has ended, or is in another PID namespace; -EBADMSG. */
int process_unit_fdinfo_pid(const char *fdinfo, pid_t *ret);
