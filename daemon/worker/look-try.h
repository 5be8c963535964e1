/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How a look of either kind gets at its token: from C_Initialize on, and once more from there where that fails. Serves
 * look-list.c and nickname-check.c, in the loader thread of a process that is a look.
 */
#pragma once

#include "daemon/worker/device/session.h"

/* last: it is not tried again. Errors as in failure.h. */
typedef int look_attempt(struct slot_token *token, void *userdata, bool last, struct failure *failure);

/* Loads the module, or initializes it anew, and runs the attempt, up to six times in 620 ms: while another process writes,
 * SoftHSM may leave a token out of its list of slots, or fail in C_Login, and tpm2-pkcs11 may fail in C_Initialize. A
 * PIN that was refused is not tried again. */
int look_try(struct slot_token *token, look_attempt *attempt, void *userdata, struct failure *failure);
