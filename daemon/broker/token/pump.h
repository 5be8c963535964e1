/* SPDX-License-Identifier: MPL-2.0 */
/* Which of a token's ops goes to its worker next, and when. */
#pragma once

#include "daemon/broker/token/backlog.h"

/* Sends what may be sent. */
void pump(struct token *token);
