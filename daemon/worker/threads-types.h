/* SPDX-License-Identifier: MPL-2.0 */
/* What the threads that serve are made of: for threads.c, and for report.c, which sends what they have seen. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/worker/accel/accel.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/threads.h"

enum state {
        IDLE,
        BUSY,
        TAKEN, /* the monitor has answered for it: the process ends */
};

struct thread {
        struct serve *serve;
        pthread_t id;
        struct operation operation;
        struct session session;
        struct report report;
        _Atomic int state; /* enum state */
        _Atomic uint64_t request;
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
};

struct serve {
        struct slot_token *token;
        struct inventory *inventory;
        struct claimant claimant;
        struct accel accel;
        struct thread *peer_thread; /* of an accelerator */
        pthread_rwlock_t channel;
        pthread_mutex_t fresh_lock;
        pthread_cond_t fresh; /* the epoch rose */
        _Atomic uint32_t epoch;
        struct thread **threads;
        atomic_uint n_threads;          /* 0 until all stand */
        atomic_bool ending;             /* serve_end() was called */
        atomic_bool stopping;           /* serve_stop() was: the monitor ends the process */
        _Atomic uint64_t told_sessions; /* what SESSIONS said last: open << 32 | logins */
};

/* ---- report.c ---- */

/* Where the thread's view of the inventory goes. */
struct report report_to_broker(struct thread *thread);
/* REFRESH, through operation_run(). */
CK_RV refresh_attempt(struct operation *operation, const void *request);
