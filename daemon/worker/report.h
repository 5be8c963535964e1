/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a thread tells the broker of the token's objects and claims. An object is marked as told when it is (refresh.c), so it
 * is told to whichever broker there is, whoever's request showed it or none: on each channel HELLO has come before, and a
 * broker that comes later asks for all. A list of claims is of one REFRESH, and only for the broker that asked: another's
 * would be mixed with the one that it asks for itself.
 */
#pragma once

#include "daemon/worker/threads.h"

/* HELLO, which is the first message of a channel. The caller holds the channel. */
void report_hello(const struct slot_token *token, unsigned n_threads, unsigned busy);

/* SESSIONS where the numbers differ from those that were sent last, or always. The caller holds the channel. */
void report_sessions(struct threads *threads, bool always);

/* The result of the thread's operation. The caller holds the channel. */
void report_reply(struct thread *thread, uint64_t request);

/* Where the thread's view of the inventory goes. */
struct report report_to_broker(struct thread *thread);
