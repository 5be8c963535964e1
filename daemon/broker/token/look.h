/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The look of a fresh process at a token. A module may hide from a running process what another wrote (SoftHSM does, once
 * the process has itself written; nShield by default): what a look shows and the worker does not, after a refresh of its own,
 * means that the worker must be replaced. Keeps who each object is until then, and no more. A look that comes to another token
 * than the worker's means the same.
 */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/broker/model/token.h"

/* The supervisor's LOOK: its channel, taken over. */
int look_attach(struct token *token, int fd);
/* Asks for a look where one is worth it: not on a database of our own, not more than once in 5 s. */
void look_please(struct token *token);
/* A lookup did not find its name, after a refresh of then or of shortly before. */
void look_missed(struct token *token);
/* What is not in the directory may be on the token: requests for it wait for a look, 10 s at most. */
void look_unsure(struct token *token);
/* The worker has told all that it had to tell. If its keys, or half of them, went at once, that is not believed before a
 * look. */
void look_settled(struct token *token);
/* The worker is gone. */
void look_lost(struct token *token);
/* Asks when its time has come; returns when to come again. */
uint64_t look_tick(struct token *token, uint64_t now);
/* A refresh is done: is what the look saw here? */
void look_compare(struct token *token);
/* What the look may have seen is gone from the token by now. */
void look_dropped(struct token *token, const struct entry *entry);
/* Ends the look that there is. */
void look_forget(struct token *token);
/* The token goes: frees what is remembered. */
void look_done(struct token *token);
