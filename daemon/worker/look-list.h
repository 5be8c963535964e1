/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A look: a fresh process lists the token, tells the broker, and ends, because a running one may not be shown what
 * another process wrote (see MESSAGE_START). Serves nothing, changes nothing.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* HELLO, the inventory and SETTLED on the request channel. 1: failure. In the loader thread. */
int look_list_run(struct slot_token *token, struct failure *failure);
