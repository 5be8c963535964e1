/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The main thread of a worker: answers the supervisor from the first moment on, watches the session threads'
 * calls, swaps in the channel of a new broker. It makes no call into the module and waits for nobody.
 */
#pragma once

/* Runs until the process ends. Returns an exit status where it could not begin. */
int monitor_run(void);
