/* SPDX-License-Identifier: MPL-2.0 */
/* See macros.h. Functions and not inline: a test puts a clock of its own in their place when it is linked. */
#include <time.h>

#include "daemon/util/macros.h"

static uint64_t clock_usec(clockid_t clock)
{
        struct timespec ts;

        clock_gettime(clock, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000U;
}

uint64_t now_usec(void)
{
        return clock_usec(CLOCK_MONOTONIC);
}

uint64_t boottime_usec(void)
{
        return clock_usec(CLOCK_BOOTTIME);
}

uint64_t wall_usec(void)
{
        return clock_usec(CLOCK_REALTIME);
}
