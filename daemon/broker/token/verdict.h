/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What is remembered of errors that a token gives although it says that it is well (class vague, docs/lifecycle.md), and of
 * requests that ended a worker. There are two questions. Is it this key, with this algorithm? Then a request for it is answered at
 * once, and costs the others nothing. Or is it the device? That needs evidence beyond one object. Times are of CLOCK_MONOTONIC, in µs.
 */
#pragma once

#include "daemon/broker/op/op.h"

/* Whether requests like this one are answered at once; the answer is in op->ckr and *ret. */
bool verdict_stands(struct token *token, struct op *op, uint64_t now, enum op_end *ret);

/* The same for an op that is about to be sent. If the time of the verdict is over this op is the one that tries. */
bool verdict_refuses(struct token *token, struct op *op, uint64_t now, enum op_end *ret);

/* It ended so on the token's worker; op->ckr is set. END_WORKER_LOST: the worker ended of it, whatever the client is told. Returns whether the device itself seems lost: the worker is to be replaced. */
bool verdict_learn(struct token *token, const struct op *op, enum op_end end, uint64_t now);

/* Another worker serves: what the token said before is asked again. What ended workers is still remembered. */
void verdict_renew(struct token *token);
void verdict_forget(struct token *token);
