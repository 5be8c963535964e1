/* SPDX-License-Identifier: MPL-2.0 */
/* The third table of the bench. */
#pragma once

#include <nss/pk11pub.h>

#include "client/tokend.h"

/* RSA decryption and ECDH with keys of the slot's token, through the daemon and by direct calls. Returns how many failed; -1: it
 * could not be set up. */
int secrets_run(struct tokend *handle, PK11SlotInfo *slot);
