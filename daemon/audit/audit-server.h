/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The process's loop: records from the broker, orders from the supervisor, the signing of the head, rotation.
 * One thread; what blocks is the disk alone.
 */
#pragma once

#include "daemon/util/macros.h"

/* Serves on the two channels, which it takes over, until the supervisor closes its own. Returns the exit
 * status. */
int audit_server_run(int broker_fd, int control_fd);
