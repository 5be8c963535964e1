/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Starts our other programs: with which environment, descriptors and signals. posix_spawn(3) execs at once,
 * so that no code of this process runs in the child.
 */
#pragma once

#include <sys/types.h>

#include "daemon/util/macros.h"

/* The broker needs few variables: where the log goes, and the options of sanitizers. -ENOMEM. The caller frees the array but not
 * its strings: they are those of environ, which must not change meanwhile. */
int environment_of_broker(char ***ret);

/* Our environment without the variables that the service manager set for us alone, and with `more` (NAME=VALUE, NULL at the end;
 * of equal names the last counts). -ENOMEM. Freed as above; the strings of `more` must live as long. */
int environment_of_worker(char *const *more, char ***ret);

/* Starts a program with 0 from /dev/null, 1 and 2 to output_fd (-1: to the log), fds (n of them, all above 9) as 3, 4, …, and no other descriptor.
 * No signal is blocked or ignored in it. -errno: it was not started, or its exec failed. */
int program_start(const char *path, char *const argv[], char *const environment[], const int *fds,
        size_t n_fds, int output_fd, pid_t *ret);
