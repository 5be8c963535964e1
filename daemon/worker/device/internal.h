/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The internal token: NSS's own software token on the databases of Directory=. If they may be made (store.h) it makes
 * the PIN's file first, safe on disk, then the databases, then sets the PIN in them, so that the next start
 * can complete what a crash interrupted. Called by module.c alone.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* Errors as in failure.h. */
int internal_load(struct slot_token *token, struct failure *failure);
