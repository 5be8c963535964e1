/* SPDX-License-Identifier: MPL-2.0 */
/* One token, from its section in the configuration to its end: what is submitted to it, its state, its time. */
#pragma once

#include "daemon/broker/token/backlog.h"

/* config: of the configuration in force. The caller frees. */
int token_new(struct broker *broker, const struct config_token *config, struct token **ret);
/* Frees all that are in the list, and ends every op of theirs, wherever it is. The broker's list has those that stay. */
void tokens_free(struct broker *broker, struct link *gone);

/* Queues the op there or sends it, or ends it at once. at: op->token, or an accelerator that tries it. */
void token_submit(struct token *at, struct op *op);
/* The op waits for the token's directory to be there, or to be renewed. It asks nothing by itself. */
void token_wait(struct token *token, struct op *op);

/* Whether a name that is not in the directory is worth waiting: a refresh of now is on its way, or asked for. */
bool token_missed(struct token *token);
/* Asks for a refresh of now: what has gone by since is in it. false: the token's state forbids it. */
bool token_refresh(struct token *token);

/* Deadlines that have passed, what is due; returns when to come again. */
uint64_t token_tick(struct token *token, uint64_t now);
/* From the supervisor: what became of what operators wanted; its state. */
void token_maintained(struct token *token, const struct message_maintained *message);
void token_set_state(struct token *token, const struct message_token *message);
