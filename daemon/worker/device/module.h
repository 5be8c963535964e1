/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Loads the token's module into this process, finds the slot, and reads what the token is. Only this file and
 * internal.c initialize NSS. The loader thread calls it. If the module hangs in it, the supervisor's
 * StartTimeout= ends the worker.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* Initializes NSS without databases and loads the module into it; for an internal token, NSS with its
 * databases. In a look the module is loaded by itself, without NSS. Fills all of token except the login.
 * Errors as in failure.h. */
int module_load(struct slot_token *token, struct failure *failure);

/* Closes every session of this process, by which the token logs it out. For the monitor, when no call is in progress and none will
 * begin: a device that keeps the sessions of a process that is gone for a while has no room for the next one. */
void module_close(const struct slot_token *token);

/* C_Finalize, C_Initialize, and the slot again: what the module shows after that is what is there now. Only
 * for a look. Errors as in failure.h. */
int module_again(struct slot_token *token, struct failure *failure);
