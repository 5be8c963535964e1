/* SPDX-License-Identifier: MPL-2.0 */
/* See call-gate.h. */
#include "daemon/worker/device/call-gate.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "daemon/util/macros.h"

void call_gate_init(struct call_gate *gate)
{
        atomic_init(&gate->closed, false);
        atomic_init(&gate->n_inside, 0);
        (void)sem_init(&gate->left, 0, 0);
}

/* The count is raised before `closed` is read, and the monitor sets `closed` before it reads the count:
 * either the monitor sees this call, or this call sees the closed gate. Both need the sequential consistency
 * that is the default. */
void call_gate_enter(struct call_gate *gate)
{
        atomic_fetch_add(&gate->n_inside, 1);
        if (!atomic_load(&gate->closed))
                return;
        call_gate_leave(gate);
        for (;;)
                pause();
}

void call_gate_leave(struct call_gate *gate)
{
        if (atomic_fetch_sub(&gate->n_inside, 1) == 1 && atomic_load(&gate->closed))
                (void)sem_post(&gate->left);
}

void call_gate_close(struct call_gate *gate)
{
        atomic_store(&gate->closed, true);
}

bool call_gate_wait(struct call_gate *gate, uint64_t until_usec)
{
        const struct timespec until = {.tv_sec = (time_t)(until_usec / USEC_PER_SEC),
                .tv_nsec = (long)(until_usec % USEC_PER_SEC) * 1000};

        while (atomic_load(&gate->n_inside) > 0)
                if (sem_clockwait(&gate->left, CLOCK_MONOTONIC, &until) < 0 && errno != EINTR)
                        return atomic_load(&gate->n_inside) == 0;
        return true;
}
