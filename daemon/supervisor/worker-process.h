/* SPDX-License-Identifier: MPL-2.0 */
/* Starting a tokend-worker: the worker of a token, or a look. */
#pragma once

#include "daemon/config/config.h"
#include "daemon/supervisor/child.h"

/* What it is started for, as in START. */
struct worker_task {
        uint32_t epoch; /* of the request channel */
        enum look_kind look;
        unsigned patience;
        bool anew, beside;
};

/* Starts it with a request channel of its own, of which *ret_fd is the other end, the caller's, and sends START. config_fd: the sealed
 * configuration. -errno: there is no process. */
int worker_process_start(struct child *child, const struct config_token *config, int config_fd,
        struct worker_task task, int *ret_fd);

/* Why a worker says that it ends. -EBADMSG: it cannot be. */
int worker_process_ending(struct wire *wire, struct message_ending *ret);
