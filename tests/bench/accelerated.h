/* SPDX-License-Identifier: MPL-2.0 */
/* The second table of the bench. */
#pragma once

#include <nss/pk11pub.h>

struct tokend;

/* Keys of the internal token, with an accelerator and without, and what the two tokens do by direct calls. accelerator: a token
 * of the same module, logged in. -1: it could not be run; else how many signatures failed. */
int accelerated_run(struct tokend *handle, PK11SlotInfo *accelerator);
