/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A broker with foreign code in it, for tests/integration/test_planted.py: the real one, whose first act after GO is to try one thing of
 * a list. It is built below build/tests and installed by nothing.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/broker/model/context.h"

/* What it goes for; the test says it in a file beside the program. */
struct targets {
        pid_t supervisor, worker, audit, client;
        char pin[256], store[256], audit_file[256];
};

/* What becomes of the process. */
enum planted_end {
        END_NONE,   /* it goes on: whatever it called was refused */
        END_SIGSYS, /* the kernel ends it */
        END_KILLED, /* the supervisor ends it */
        END_ANY,    /* it goes on, or the supervisor ends it */
};

struct planted {
        struct broker *broker;
        struct targets targets;
};

struct attempt {
        const char *name;
        enum planted_end end;
        void (*run)(const struct planted *planted, unsigned argument);
        unsigned argument;
};

struct attempts {
        const struct attempt *list;
        size_t n;
};

extern const struct attempts attempts_call, attempts_deadly, attempts_message;

/* A call that should have been refused: says so in the log where it was not. what: for people. */
void must_refuse(const char *what, long r);
