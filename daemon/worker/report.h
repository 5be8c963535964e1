/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a worker tells the broker. An object is reported to whichever broker there is, whatever made us see
 * it, and marked as reported (core/refresh.c): HELLO came before on each channel, and a broker that comes
 * later asks for everything. A list of claims belongs to one REFRESH and goes only to the broker that asked:
 * another broker would mix it up with the list that it asks for.
 */
#pragma once

#include "daemon/worker/threads.h"

/* HELLO, which is the first message of a channel. The caller holds the channel. */
void report_hello(const struct slot_token *token, unsigned n_threads, unsigned busy);

/* SESSIONS, if the numbers differ from those that were sent last, or always. The caller holds the channel. */
void report_sessions(struct threads *threads, bool always);

/* Puts the REPLY with the result of the thread's operation. */
void report_put_reply(const struct thread *thread, uint64_t request, struct wire *wire);

/* Reports of the inventory, by this thread. */
struct report report_to_broker(struct thread *thread);
