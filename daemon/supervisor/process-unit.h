/* SPDX-License-Identifier: MPL-2.0 */
/* In which unit of the system's manager the process at the other end of a connection runs. */
#pragma once

#include <sys/types.h>

#include "daemon/util/macros.h"

/* pidfd: of the process, as the kernel gave it for the connection; -1: it gave none, and pid is all there is.
 * accepted_usec: CLOCK_BOOTTIME, when the connection was accepted. -ESRCH: it has ended, or its number is another's by now;
 * -ENODATA: it is in no unit; -errno. The caller frees. */
int process_unit_of_process(int pidfd, pid_t pid, uint64_t accepted_usec, char **ret);

/* When a process started (CLOCK_BOOTTIME, floored to a tick), from the text of its /proc/PID/stat. -EBADMSG. */
int process_unit_start_usec(const char *stat, uint64_t ticks_per_second, uint64_t *ret);

/* The process number in the text of a pidfd's fdinfo. -ESRCH: it has ended, or is not in our tree; -EBADMSG. */
int process_unit_fdinfo_pid(const char *fdinfo, pid_t *ret);
