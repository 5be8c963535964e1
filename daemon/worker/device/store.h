/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The directory of an internal token: whether its databases are there, whole, and to be used, and whether they may be made. Reads
 * names, sizes and the first bytes of files; NSS opens them. Called by internal.c, and by the monitor.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* Before NSS opens or makes anything. 0: NSS may open the databases, and make what is missing. Otherwise as in failure.h:
 * WORKER_END_STORE where an operator has to do something. Makes the directory. */
int store_begin(struct slot_token *token, struct failure *failure);

/* The databases are whole and have their PIN. From now on they are the token's. */
void store_made(struct slot_token *token);

/* The databases are open but have no PIN: whether that can be, since they are new. Otherwise as in failure.h. */
int store_may_complete(const struct slot_token *token, struct failure *failure);

/* Whether they are still those that were opened. Otherwise as in failure.h. In the monitor: one stat(2) a file. */
int store_check(const struct slot_token *token, struct failure *failure);
