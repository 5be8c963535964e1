/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Loads the token's module into this process, finds the slot, and reads what the token is: the only file,
 * beside internal.c, that starts NSS. Called once, by the loader thread; a module that hangs hangs here, and
 * the supervisor's StartTimeout= ends it.
 */
#pragma once

#include "daemon/worker/device/slot-token.h"

/* NSS without databases and the module in it (an internal token: its databases). Where token->look is set the
 * module is loaded bare, without NSS. Fills all of token but the login. 1: failure. */
int module_load(struct slot_token *token, struct failure *failure);

/* C_Finalize, C_Initialize and the slot again, for a look, whose module is loaded bare: what it shows after that is what
 * is there now. 1: failure. */
int module_again(struct slot_token *token, struct failure *failure);
