/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Starting our other programs: where they are, with which environment, descriptors, signals. posix_spawn(3), which
 * execs at once: nothing of this process runs in the child.
 */
#pragma once

#include <sys/types.h>

#include "daemon/util/macros.h"

/* The path of one of our programs: beside this one, else in LIBEXECDIR. The caller frees. */
int program_path(const char *name, char **ret);

/* What the broker needs: where the log goes, what a sanitizer was told; the rest stays here. The caller frees the
 * array and nothing else: the strings are of environ, which must not change meanwhile. */
int environment_of_broker(char ***ret);

/* Ours without what the service manager told us alone, and with `more` (NAME=VALUE, NULL at the end), of which the
 * last counts. Freed as above; the strings of `more` must live as long. */
int environment_of_worker(char *const *more, char ***ret);

/* Starts a program with 0 from /dev/null, 1 and 2 to the log, fds (n of them, all above 9) as 3, 4, …, and nothing
 * else open; no signal blocked or ignored. -errno: it could not be started, exec included. */
int program_start(const char *path, char *const argv[], char *const environment[], const int *fds,
        size_t n_fds, pid_t *ret);
