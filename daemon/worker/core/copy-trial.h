/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Whether a session copy of a key is faster than the key itself: at the key's first use, that use is made a few times with each in turn.
 * Nothing is signed that was not asked for. The inventory keeps the verdict of each key; no locking here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Uses with each, at most. The fastest of them counts: the others may have waited for a processor. */
#define COPY_ROUNDS 3U

enum copy_verdict {
        COPY_OPEN,
        COPY_UNDER_WAY, /* by one thread; the others use the key itself meanwhile */
        COPY_FASTER,
        COPY_NOT_FASTER,
        COPY_NO_COPY, /* the token makes none that could be used */
};

struct copy_trial {
        unsigned rounds;
        uint64_t key_usec, copy_usec; /* the fastest use with each */
};

/* A use with each of them took the device so long. COPY_UNDER_WAY: it does not show yet. */
enum copy_verdict copy_trial_round(struct copy_trial *trial, uint64_t key_usec, uint64_t copy_usec);
