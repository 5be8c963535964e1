/* SPDX-License-Identifier: MPL-2.0 */
/* Starting a tokend-worker: the worker of a token, or a look. */
#pragma once

#include "daemon/config/config.h"
#include "daemon/supervisor/child.h"

/* Starts it with that request channel (which stays the caller's) and sends START. config_fd: the sealed configuration. epoch:
 * of the request channel. patience: as in START. -errno: there is no process. */
int worker_process_start(struct child *child, const struct config_token *config, int config_fd,
        uint32_t epoch, enum look_kind look, unsigned patience, int request_fd);
