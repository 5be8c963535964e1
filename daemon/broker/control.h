/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's side of its control channel: what the supervisor says. What is said to it is uplink.h's. */
#pragma once

#include "daemon/broker/model/context.h"

/* Watches the channel from now on. */
int control_start(struct broker *broker);
void control_stop(struct broker *broker);
