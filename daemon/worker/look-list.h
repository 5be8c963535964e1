/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A look at the whole token: a fresh process lists it, tells the broker, and ends, because the module may not
 * show a running process what another process wrote (see START in message.h). It serves nothing and changes
 * nothing.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* Loads the module. On the request channel: HELLO (before the login), an ENTRY of class and CKA_ID alone for each private
 * key and certificate of a type that is listed, SETTLED. On the control channel: UP, again and again while it goes on.
 * Errors as in failure.h. In the loader thread. */
int look_list_run(struct slot_token *token, struct failure *failure);
