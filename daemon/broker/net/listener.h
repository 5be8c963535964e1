/* SPDX-License-Identifier: MPL-2.0 */
/* The two listening sockets: who is let in, and that being full spins nothing and locks nobody else out. */
#pragma once

#include "daemon/broker/model/context.h"

/* A listening socket of the supervisor's, taken over; instead of the one of its kind that there was. */
int listener_set(struct broker *broker, enum listen_kind kind, int fd);

/* Accepts from now on. */
int listener_start(struct broker *broker);
/* No more. */
void listener_stop(struct broker *broker);

/* After a rest for want of descriptors: goes on when its time has come; returns when to come again. */
uint64_t listener_tick(struct broker *broker, uint64_t now);
