/* SPDX-License-Identifier: MPL-2.0 */
/* What an operator wants of one token: whether it has come to be, or will not. */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* This is what is wanted from now on. What was wanted before, and has not come to be, is answered: it was overtaken. */
void wish_take(struct supervised_token *token, const struct message_maintain *message);

/* Answers the broker if that is known by now. Called whenever something of the token changes. */
void wish_settle(struct supervised_token *token);
