/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The channels between a token's worker and its accelerator's worker: over them copies of keys travel, wrapped. They are
 * made here, between two processes that the supervisor started, and no end is kept or shown to the broker: whoever takes
 * the broker over can neither read a copy nor stand in for the accelerator.
 */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* Its worker was just started: makes new channels to the workers that it exchanges copies of keys with. */
void peer_channels_open(struct supervised_token *token);
