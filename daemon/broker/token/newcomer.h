/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A worker that was started beside the one that serves, for a section that changed. It tells what is on the token while no
 * request changes that; then the supervisor has it take the other's place. What the other has it finishes.
 */
#pragma once

#include "daemon/broker/token/backlog.h"

/* The supervisor says that it takes over. If it is dead by now, the next worker of its section comes into the place. */
void newcomer_takes_over(struct token *token, uint64_t life);
/* Asks again for what it could not tell; returns when to come again. */
uint64_t newcomer_tick(struct token *token, uint64_t now);
