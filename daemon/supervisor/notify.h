/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the service manager is told: the protocol of sd_notify(3). sd_notify() itself waits while the manager does not
 * read (it is being replaced, or stopped), so it may not be used here. What cannot be said now is said at the next tick.
 * Without a manager nothing happens here.
 */
#pragma once

#include "daemon/supervisor/supervisor.h"

/* READY=1 when it is time, STATUS= when it changed. */
void notify_state(struct supervisor *supervisor);
void notify_reloading(struct supervisor *supervisor);
void notify_reloaded(struct supervisor *supervisor);
void notify_stopping(struct supervisor *supervisor);
void notify_watchdog(struct supervisor *supervisor);
