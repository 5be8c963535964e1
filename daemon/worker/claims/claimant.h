/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Who this worker is when it claims a nickname: the same over restarts, and no other's. And how it asks for a look: the
 * session thread asks the supervisor and waits here, the monitor brings the answer. One for a worker.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/worker/claims/claim-record.h"

struct claimant {
        uint8_t id[CLAIMANT_LENGTH];
        char host[CLAIM_HOST_MAX];
        atomic_bool holds; /* the token takes data objects, as far as is known */

        pthread_mutex_t lock; /* what follows */
        pthread_cond_t answered;
        uint64_t number; /* of the last question */
        bool waiting, there;
        struct message_sought answer; /* its reason is the copy that follows */
        char reason[256];
};

/* What a look said. */
struct sought {
        bool ok;
        unsigned seen; /* mask of enum seen */
        uint64_t ckr;  /* of a look that failed; 0: no call of the token's did */
        char reason[256];
};

/* The random id in the StateDirectory, which is made where there is none (0600, on disk when this returns), hashed with
 * this machine's id and the name of the [Token] section: two sections that reach one token are two claimants. Where it can
 * be neither read nor made the claimant is one of this process alone, and the log says what follows from that. NSS
 * must be there. */
void claimant_init(struct claimant *claimant, const char *state_directory, const char *token, bool holds);

/* Asks for a look and waits for it, for timeout_usec at most; number is filled in. Never fails without a reason. In the
 * one session thread that makes something. */
void claimant_ask(
        struct claimant *claimant, struct message_seek *seek, uint64_t timeout_usec, struct sought *ret);

/* The supervisor's answer; one that nobody waits for is dropped. In the monitor. */
void claimant_answer(struct claimant *claimant, const struct message_sought *sought);
