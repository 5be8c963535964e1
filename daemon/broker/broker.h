/* SPDX-License-Identifier: MPL-2.0 */
/* The broker as a whole: its start and end, its configuration, and the drain before the end. */
#pragma once

#include "daemon/broker/model/context.h"

/* control_fd: the channel to the supervisor, taken over. The caller calls broker_done(), also after a failure. */
int broker_init(struct broker *broker, int control_fd);
void broker_done(struct broker *broker);

/* Puts a configuration in force: tokens and instances follow, every connection is matched again. Takes it. read: an operator had the
 * files read.
 * -ENOMEM: what was in force is in force. */
int broker_configure(struct broker *broker, struct config *config, bool read);

/* No more connections and requests; answers what is there until usec. */
void broker_drain(struct broker *broker, uint64_t usec);
