/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A look for one nickname: a process of its own, started for it by the supervisor, because a running one may not be shown
 * what another wrote (docs/tokens.md; docs/claims.md says what follows). Reads only; loads no NSS.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* Loads the module and looks twice, initializing it anew between: claims first, then objects. What was seen into *ret,
 * a mask of enum seen. 1: failure; then nothing is known. In the loader thread. */
int nickname_check_run(
        struct slot_token *token, const struct message_seek *seek, unsigned *ret, struct failure *failure);
