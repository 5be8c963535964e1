/* SPDX-License-Identifier: MPL-2.0 */
/*
 * While the daemon is asked: after two seconds a line on the terminal, if standard error is one, says that the program lives, and for
 * how long it has waited; and an interrupt (Ctrl-C) says what it leaves, and ends the program as the signal would.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

enum patience_kind {
        PATIENCE_READS,   /* nothing is left of a call that nobody waits for */
        PATIENCE_CHANGES, /* the token may have been changed */
};

struct patience {
        enum patience_kind kind;
        bool shows; /* the thread runs */
        pthread_t thread;
        int fds[2];
};

/* Between the two the program makes one call. A program that cannot wait so waits in silence. */
void patience_begin(struct patience *patience, enum patience_kind kind);
void patience_end(struct patience *patience);

/* Makes a call of libtokend, and gives its result. */
#define PATIENTLY(kind, call)                                                                                \
        ({                                                                                                   \
                struct patience patience_;                                                                   \
                enum tokend_error error_;                                                                    \
                                                                                                             \
                patience_begin(&patience_, kind);                                                            \
                error_ = (call);                                                                             \
                patience_end(&patience_);                                                                    \
                error_;                                                                                      \
        })
