/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The look of a fresh process at a token. A module may hide from a running process what another wrote (SoftHSM does, once
 * the process has itself written; nShield by default): what a look shows and the worker does not, after a refresh of its own,
 * means that the worker must be replaced. Keeps who each object is until then, and no more.
 */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/broker/model/token.h"

/* The supervisor's LOOK: its channel, taken over. */
int look_attach(struct token *token, int fd);
/* Asks for a look where one is worth it: not on a database of our own, not more than once in 5 s. */
void look_please(struct token *token);
/* A lookup did not find its name, after a refresh. */
void look_missed(struct token *token);
/* Asks when its time has come; returns when to come again. */
uint64_t look_tick(struct token *token, uint64_t now);
/* A refresh is done: is what the look saw here? */
void look_compare(struct token *token);
/* What the look may have seen is gone from the token by now. */
void look_dropped(struct token *token, const struct entry *entry);
void look_forget(struct token *token);
