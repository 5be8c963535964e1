/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A look for one nickname: the supervisor starts a fresh process for it, because the module may not show a
 * running process what another process wrote (docs/tokens.md, docs/claims.md). It only reads, and loads no
 * NSS.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* Loads the module and looks twice, with a new C_Initialize between: for claims first, then for objects. *ret
 * is a mask of enum seen. Errors as in failure.h; then nothing is known. In the loader thread. */
int nickname_check_run(
        struct slot_token *token, const struct message_seek *seek, unsigned *ret, struct failure *failure);
