/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where an op is while it is on a token, and how its stay there ends. Each function puts the op into one state, and so into
 * one list, taking it out of where it was. The op is kept as long as it is somewhere. Sends nothing: pump.c does.
 *
 * Where a place is refused the op ends: its continuation has been called when the function returns, and it may be gone.
 */
#pragma once

#include "daemon/broker/op/op.h"

/* Behind the others of its instance. bounded: its instance may have MaxQueued= waiting; else its place was counted before. */
void backlog_queue(struct token *at, struct op *op, bool bounded);
/* For the directory, within its instance's MaxQueued=. */
void backlog_wait(struct token *token, struct op *op);
/* For the record that it begins. */
void backlog_hold(struct token *token, struct op *op);
/* For what the supervisor says of it. */
void backlog_ask(struct token *token, struct op *op);
/* Before all queues. */
void backlog_first(struct token *at, struct op *op);
/* Another host claims its nickname. Its place among its instance's stays taken; an op that nobody wants is dropped. */
void backlog_pause(struct token *token, struct op *op);
/* Its worker died over it, and it changes the token. */
void backlog_unsettled(struct op *op);
/* Once more, with the next worker or when this one has nothing else: it may have been the op that the worker died of. */
void backlog_suspect(struct op *op, uint64_t ckr);
/* With that worker, which has a free slot. */
void backlog_out(struct op *op, struct worker *worker, uint64_t number, enum message_type kind);
/* Takes an op that is held from its place, to go on. The caller gets the place's reference. */
struct op *backlog_take(struct op *op);

/* Its stay ends so, wherever it is. */
void backlog_end(struct op *op, enum op_end end);
/* The thread that has it is left to itself: its answer is for nobody. Then as backlog_end(). */
void backlog_abandon(struct op *op, enum op_end end);
/* Its client is answered so; the op stays where it is. */
void backlog_answer(struct op *op, enum op_end end);
/* Its client is gone: what was not sent is dropped (a oneway's is not), what was sent is for the records. */
void backlog_client_gone(struct op *op);

/* Ends those that are in the list now: an op may come anew from its own continuation. */
void backlog_end_list(struct link *list, enum op_end end);
/* What it waits for cannot come: every op that is not with the worker ends so. */
void backlog_end_waiting(struct token *token, enum op_end end);
/* The token has failed: nothing that waits can be done. */
void backlog_give_up(struct token *token);
/* The directory was renewed (or will not be): those that wait for it go on. */
void backlog_wake(struct token *token);
/* Everything ends: the token is not configured any more. */
void backlog_remove(struct token *token);
/* What an accelerator tries for tokens that are going ends. */
void backlog_remove_homeless(struct token *accelerator);
