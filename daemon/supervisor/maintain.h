/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What an operator has done with one token while the others serve: a token that failed is tried once more; one whose device or module is to be
 * changed is taken out of service, and put back. Nothing of it outlives the supervisor.
 */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* -EBADMSG: there is no such thing to do. The answer is MAINTAINED. */
int maintain(struct supervised_token *token, const struct message_maintain *message);
