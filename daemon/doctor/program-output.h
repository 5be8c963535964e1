/* SPDX-License-Identifier: MPL-2.0 */
/* Runs another program and keeps what it writes. One thread. */
#pragma once

#include <stdbool.h>

#include "daemon/util/macros.h"

/* Bytes of each stream that are kept; more is read and dropped. */
#define OUTPUT_MAX (1024U * 1024U)

struct program_output {
        char *out, *err; /* with a NUL */
        int status;      /* as of waitpid(2) */
        bool late;       /* it was killed at the end of its time */
};

/* argv[0] is looked for in PATH. input_fd: its standard input; -1: nothing. -errno: it could not be started. The caller calls program_output_done(). */
int program_run(char *const *argv, int input_fd, uint64_t limit_usec, struct program_output *ret);
void program_output_done(struct program_output *output);
