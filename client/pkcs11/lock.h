/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The lock of the module. Nothing waits under it: no request is made, and nothing large is copied or hashed. A fork takes it first
 * and gives it back on both sides, so that the child finds all that it guards whole.
 */
#pragma once

void module_lock(void);
void module_unlock(void);

/* From now on a fork takes the lock. It may be called again. 0, or an errno of pthread_atfork(). */
int module_lock_at_fork(void);
