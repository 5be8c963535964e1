/* SPDX-License-Identifier: MPL-2.0 */
/* The process's loop: what comes from the broker and from the supervisor, and the times at which something is due. */
#pragma once

/* Serves on the two channels, which it takes over, until the supervisor closes its own. Returns the exit
 * status. */
int audit_loop_run(int broker_fd, int control_fd);
