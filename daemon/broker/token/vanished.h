/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What was on a token and is not there any more, although no request of ours took it away: its names, for the status, until it is
 * there again or the configuration is read again, by which an operator says that it is known. Nothing follows from it.
 */
#pragma once

#include "daemon/broker/base/output.h"
#include "daemon/broker/model/token.h"

/* Whether a request that is under way may have taken the object away. */
bool vanished_is_ours(const struct token *token, const struct entry *entry);

/* The worker does not show that object any more; entry is still in the directory. */
void vanished_note(struct token *token, const struct entry *entry);
/* Another worker's directory is about to take the place of this one. */
void vanished_compare(struct token *token, const struct directory *before, const struct directory *now);

/* The directory is up to date, and nothing in it is in doubt: what is gone is told, and what is back is forgotten. */
void vanished_settle(struct token *token);

void vanished_forget(struct token *token);

/* How many objects of the kind are gone. */
size_t vanished_count(const struct token *token, enum object_kind kind);
/* For a struct output_part: elements of io.tokend.Status.Gone. userdata: the token. */
void vanished_put(struct output *output, void *userdata);
