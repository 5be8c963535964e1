/* SPDX-License-Identifier: MPL-2.0 */
/* What an operator wants of one token: whether it has come to be, or will not. */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* Answers the broker if that is known by now. Called whenever something of the token changes. */
void wish_settle(struct supervised_token *token);
