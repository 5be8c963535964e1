/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The session threads and the request channel (descriptor 3): receive, do, reply. Started by the loader
 * thread, watched by the monitor, which also swaps in a new channel when there is a new broker.
 *
 * channel: a thread holds it for reading while it takes a request as its own or sends, the monitor for
 * writing while it swaps: so what HELLO says of busy threads is true, no request of an old broker is taken
 * after it, and nothing goes out on a new channel before its HELLO.
 */
#pragma once

#include "daemon/worker/core/descriptors.h"
#include "daemon/worker/core/operation.h"

struct serve;

/* epoch: of the channel that is there. -ENOMEM. */
int serve_new(uint32_t epoch, struct serve **ret);

/* Opens the sessions, logs in, settles the claims that a crash left, says UP and HELLO, and starts the threads. 1: failure. In the loader thread.
 */
int serve_start(
        struct serve *serve, struct slot_token *token, const struct config *config, struct failure *failure);

/* Sends HELLO; the caller sees to it that it is the channel's first message. */
void serve_hello(const struct slot_token *token, unsigned n_threads, unsigned busy);

/* The channel of a new broker; takes the descriptor over. In the monitor. */
void serve_channel(struct serve *serve, int fd, uint32_t epoch);

/* A peer channel to the worker of that token; takes the descriptor over. In the monitor. */
void serve_peer(struct serve *serve, const char *token, int fd);

/* What a look saw, for the thread that asked. In the monitor. */
void serve_sought(struct serve *serve, const struct message_sought *sought);

/* Ends the process where a call has outlived its limit; else returns after how many microseconds to look
 * again. In the monitor. */
uint64_t serve_watch(struct serve *serve);

/* The worker is to end: it takes no more requests, and serve_end() leaves the exit to the monitor. Returns how long a call of
 * the threads may take, in microseconds; 0 before they stand. In the monitor. */
uint64_t serve_stop(struct serve *serve);

/* After serve_stop(): after how many microseconds to look again; 0: a call has outlived its limit. In the monitor. */
uint64_t serve_watch_stop(struct serve *serve);

/* Gives the other threads a moment to send what they have, says ENDING and ends the process. From any thread.
 */
_Noreturn void serve_end(struct serve *serve, const struct failure *failure);
