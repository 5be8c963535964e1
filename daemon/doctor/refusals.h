/* SPDX-License-Identifier: MPL-2.0 */
/* What the kernel refused a process that is traced, call by call. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/util/macros.h"

#define REFUSALS_MAX 16U
#define TRACED_MAX   64U

enum refusal_kind {
        REFUSAL_PATH,    /* a file, a directory, the file of a socket */
        REFUSAL_NETWORK, /* an address, or a family of them */
        REFUSAL_IPC,     /* shared memory or semaphores of System V */
        REFUSAL_CODE,    /* memory that is both written and run */
};

struct refusal {
        enum refusal_kind kind;
        int error;       /* -errno */
        int want;        /* of a path: R_OK, W_OK */
        char what[4096]; /* the path as the process gave it, or the address */
};

/* All zero before the first. */
struct refusals {
        struct refusal items[REFUSALS_MAX];
        size_t n;
        struct traced_call {
                pid_t thread; /* 0: free */
                uint64_t number, arguments[6];
        } calls[TRACED_MAX];
};

/* Begins to trace a process that waits for that. false: it cannot be traced. */
bool refusals_attach(pid_t pid);

/* A traced thread has stopped with that status of waitpid(2): looks, and lets it go on. */
void refusals_stopped(struct refusals *refusals, pid_t thread, int status);
