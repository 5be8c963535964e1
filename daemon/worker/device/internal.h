/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The internal token: NSS's own software token on the databases of Directory=. Makes them where they are
 * absent: the PIN's file first, safe on disk, then the databases, then the PIN into them, so that a crash in
 * between leaves something that the next start completes. Called by module.c alone.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* 1: failure. */
int internal_load(struct slot_token *token, struct failure *failure);
