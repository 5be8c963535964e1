/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The identity with which this worker claims nicknames: the same over restarts, and different from every
 * other worker's. And how it asks for a look: the session thread asks the supervisor and waits here, the
 * monitor brings the answer. One for each worker.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/worker/claims/claim-record.h"

struct claimant {
        uint8_t id[CLAIMANT_LENGTH];
        char host[CLAIM_HOST_MAX];
        bool writes;       /* false: no claim is ever written: the token is internal, or there is no id */
        atomic_bool holds; /* the token accepts data objects, by the last try */
        atomic_bool held;  /* a claim of this process lay on the token: it does accept data objects */
        atomic_bool
                left; /* a claim of this process may lie on the token that only another process can remove */

        pthread_mutex_t lock; /* for what follows */
        pthread_cond_t answered;
        uint64_t number; /* of the last question that was asked */
        bool waiting, there;
        struct message_sought answer; /* its reason is copied into reason */
        char reason[256];
};

/* What a look for a nickname found. */
struct look_answer {
        bool ok;
        unsigned seen; /* mask of enum seen */
        uint64_t ckr;  /* of a look that failed; 0: no call into the module failed */
        char reason[256];
};

/* The claimant's id is a hash of three things: the random id in the StateDirectory, which is made if it is
 * missing (0600, on disk when this returns), this machine's id, and the name of the [Token] section, so that
 * two sections for one token are two claimants. If the random id can be neither read nor made, the claimant
 * is good for this process only, and the log says what follows from that. NSS must be initialized. */
void claimant_init(struct claimant *claimant, const char *state_directory, const char *token, bool writes);

/* Asks for a look and waits for its answer, timeout_usec at most; fills in seek->number. If ret->ok is false,
 * ret->reason says why. Only the one session thread that creates something calls this. */
void claimant_ask(
        struct claimant *claimant, struct message_seek *seek, uint64_t timeout_usec, struct look_answer *ret);

/* The supervisor's answer; it is dropped if nobody waits for it. In the monitor. */
void claimant_answer(struct claimant *claimant, const struct message_sought *sought);
