/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Counts the calls into the module that are in progress, and keeps new ones out once the worker is to end. A
 * process that exits inside a call may leave the token half written: SoftHSM2's C_Login truncates a file of
 * the token before it writes it again. So the monitor closes the gate, waits until the calls have returned,
 * and only then exits.
 */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct call_gate {
        atomic_bool closed;
        atomic_uint n_inside;
        sem_t left; /* posted by the last call that returns once the gate is closed */
};

void call_gate_init(struct call_gate *gate);

/* Around each call into the module (or a sequence that makes several); not nested. call_gate_enter() does not
 * return once the gate is closed: the process ends soon. From any thread. */
void call_gate_enter(struct call_gate *gate);
void call_gate_leave(struct call_gate *gate);

/* In the monitor. */
void call_gate_close(struct call_gate *gate);
/* Waits until until_usec (CLOCK_MONOTONIC). True: no call is in progress. The gate must be closed. */
bool call_gate_wait(struct call_gate *gate, uint64_t until_usec);
