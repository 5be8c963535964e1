/* SPDX-License-Identifier: MPL-2.0 */
/* See copy-trial.h. */
#include "daemon/worker/core/copy-trial.h"

#include "daemon/util/macros.h"

/* The copy must save so much of the key's time: 1/32. */
#define PART 32U
/* Of a device that needs so long, or is twice as fast with the copy, one round tells enough. */
#define LONG_USEC UINT64_C(5000)

enum copy_verdict copy_trial_round(struct copy_trial *trial, uint64_t key_usec, uint64_t copy_usec)
{
        bool first = trial->rounds++ == 0;

        trial->key_usec = first ? key_usec : MIN_OF(trial->key_usec, key_usec);
        trial->copy_usec = first ? copy_usec : MIN_OF(trial->copy_usec, copy_usec);
        if (trial->rounds < COPY_ROUNDS && trial->key_usec < LONG_USEC &&
                trial->copy_usec >= trial->key_usec / 2)
                return COPY_UNDER_WAY;
        return trial->copy_usec + trial->key_usec / PART < trial->key_usec ? COPY_FASTER : COPY_NOT_FASTER;
}
