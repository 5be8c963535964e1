/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The session threads and the request channel (descriptor 3): receive, do, reply. The loader thread starts
 * them; the monitor watches them and replaces the channel when there is a new broker (threads-watch.c).
 *
 * The lock `channel`: a thread holds it for reading while it takes a request as its own, and while it sends;
 * the monitor holds it for writing while it replaces the channel. So what HELLO says of busy threads is true,
 * no request of an old broker is taken after HELLO, and nothing is sent on a new channel before HELLO.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/worker/accel/accel.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/core/descriptors.h"
#include "daemon/worker/own-process.h"

enum thread_state {
        IDLE,
        BUSY,
        TAKEN, /* the monitor has answered for it, and ends the process */
};

/* A session, and what is done in it. A request takes the first one that is free, so that those in use are as few as can be, and what
 * they have at hand (copies of keys, sealed keys that are open) is used again. */
struct thread {
        struct threads *threads;
        atomic_bool taken;           /* by a receiver; what is not atomic is that one's alone */
        _Atomic uint64_t since_usec; /* when it was used last */
        pthread_t id;                /* of a peer thread, which has a session for itself */
        struct operation operation;
        struct session session;
        struct report report;
        _Atomic int state; /* enum thread_state */
        _Atomic uint64_t request;
};

/* A thread that receives requests; there are as many as sessions. */
struct receiver {
        struct threads *threads;
        pthread_t id;
        atomic_bool started;         /* id is set */
        _Atomic(struct thread *) at; /* the session that it works in, or NULL */
        size_t length;               /* of the request in the buffer */
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
};

struct threads {
        struct slot_token *token;
        struct inventory *inventory;
        struct claimant claimant;
        struct accel accel;
        struct thread *peer_thread; /* of an accelerator */
        pthread_rwlock_t channel;
        pthread_mutex_t fresh_lock;
        pthread_cond_t fresh; /* the epoch rose */
        _Atomic uint32_t epoch;
        struct own_process own; /* the monitor's */
        struct thread **list;
        struct receiver **receivers;
        _Atomic uint64_t tend_usec; /* when the sessions are looked at that have had nothing to do */
        atomic_uint n_threads;      /* 0 until all stand */
        atomic_bool ending;         /* threads_end() was called */
        atomic_bool stopping;       /* threads_stop() was: the monitor ends the process */
        _Atomic uint64_t told_sessions, told_copies; /* what SESSIONS said last, packed */
};

/* epoch: of the channel that is there. -ENOMEM. */
int threads_new(uint32_t epoch, struct threads **ret);

/* Opens the sessions, logs in, settles the claims that a crash left, sends UP and HELLO, and starts the
 * threads. Errors as in failure.h. In the loader thread. / */
int threads_start(struct threads *threads, struct slot_token *token, const struct config *config,
        struct failure *failure);

/* A receiver's thread: takes requests and answers them, as long as the process lives. */
void *receiver_main(void *userdata);

/* The channel of a new broker; takes ownership of the descriptor. In the monitor. */
void threads_channel(struct threads *threads, int fd, uint32_t epoch);

/* A channel is there: HELLO and SESSIONS go out first. n: of the threads; busy: those that work for a broker
 * that is gone. The caller holds the channel for writing. */
void threads_open_channel(struct threads *threads, unsigned n, unsigned busy);

/* A peer channel to the worker of that token; takes ownership of the descriptor. In the monitor. */
void threads_peer(struct threads *threads, const char *token, int fd);

/* What a look for a nickname saw, for the thread that asked. In the monitor. */
void threads_sought(struct threads *threads, const struct message_sought *sought);

/* Ends the process if a call has outlived its limit, or the module did to the process what it cannot go on with; otherwise returns after how many microseconds to look
 * again. In the monitor. */
uint64_t threads_watch(struct threads *threads);

/* The worker is to end: it takes no more requests, and threads_end() leaves the exit to the monitor. Returns
 * how long a call of the threads may take, in microseconds; 0 before they stand. In the monitor. */
uint64_t threads_stop(struct threads *threads);

/* After threads_stop(): after how many microseconds to look again; 0: a call has outlived its limit. In the
 * monitor. */
uint64_t threads_watch_stop(struct threads *threads);

/* Gives the other threads a moment to send their replies, sends ENDING and ends the process. From any
 * thread. */
_Noreturn void threads_end(struct threads *threads, const struct failure *failure);
