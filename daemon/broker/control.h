/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's side of its control channel: what the supervisor says, and what is said to it. */
#pragma once

#include "daemon/broker/broker.h"

/* Watches broker->control_fd from now on. */
int control_start(struct broker *broker);
void control_stop(struct broker *broker);

/* Each sends, or keeps it until the channel has room; a loss is logged. */
void control_serving(struct broker *broker, const char *token, uint64_t life);
void control_drained(struct broker *broker);
void control_look_please(struct broker *broker, const char *token);
/* full: the worker ends because its token has too many objects, and no other is to be started. */
void control_replace(struct broker *broker, const char *token, uint64_t life, const char *reason, bool full);

/* Asks for another socket that is connected to journald. Not kept where the channel has no room: the caller asks again. */
void control_journal_please(struct broker *broker);
