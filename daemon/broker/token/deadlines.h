/* SPDX-License-Identifier: MPL-2.0 */
/* What time does to the ops on a token. */
#pragma once

#include "daemon/broker/model/token.h"

/* Ends what has waited too long, and goes on with what has paused long enough. Returns when to come again. */
uint64_t deadlines_tick(struct token *token, uint64_t now);
