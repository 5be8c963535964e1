/* SPDX-License-Identifier: MPL-2.0 */
/* What a worker's reply means to the op that it answers: its end, another try, or that the reply is impossible, which is the end
 * of that worker. What became of an op whose worker died is settled here as well. */
#pragma once

#include "daemon/broker/token/backlog.h"

/* A reply, behind its type. REPLY_LOST: the device itself seems lost, though the worker takes it for well: it is to be replaced.
 * -errno: the worker sent what is impossible. */
#define REPLY_LOST 1
int reply_take(struct worker *worker, struct wire *wire);

/* What the token's worker told of it is what is known of the token from now on: it serves. */
void reply_serves(struct token *token);

/* The worker died while it had this op. alone: it had no other. */
void reply_lost(struct op *op, bool alone);
