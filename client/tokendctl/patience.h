/* SPDX-License-Identifier: MPL-2.0 */
/*
 * While the daemon changes a token: after two seconds a line on the terminal, if standard error is one, says that the program lives, and
 * for how long it has waited; and an interrupt (Ctrl-C) says what it leaves, and ends the program as the signal would.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct patience {
        bool shows; /* the thread runs */
        pthread_t thread;
        int fds[2];
};

/* Between the two the program makes one call. A program that cannot wait so waits in silence. */
void patience_begin(struct patience *patience);
void patience_end(struct patience *patience);
