/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The main thread of a worker. It answers the supervisor from the first moment on, watches the calls of the
 * session threads, and replaces the request channel when there is a new broker. It makes no call into the
 * module and waits for nobody.
 */
#pragma once

/* Runs until the process ends. Returns an exit status only if it could not begin. */
int monitor_run(void);
