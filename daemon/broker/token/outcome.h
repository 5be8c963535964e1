/* SPDX-License-Identifier: MPL-2.0 */
/* What an op gave: whether a worker's answer is possible, what was made, and, where its worker died, whether it was done. A
 * worker is not trusted. */
#pragma once

#include "daemon/broker/op/op.h"

/* Takes what op->payload says was made. -EBADMSG: the worker's OK is not a possible answer to this op. */
int outcome_take(struct token *token, struct op *op);
/* Likewise of the key that a generate made, as SETTLE tells. */
int outcome_take_key(struct token *token, struct op *op);

/* Whether the directory of now shows that the op was done, and what it made. */
bool outcome_is_done(struct token *token, struct op *op);
