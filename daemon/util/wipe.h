/* SPDX-License-Identifier: MPL-2.0 */
/* Memory that may have held a secret: wiped before it is given back. Thread-safe. */
#pragma once

#include "daemon/util/macros.h"

/* NULL is fine. size: of the whole. */
void wipe_free(void *memory, size_t size);

/* Wipes WIPE_STACK bytes of this thread's stack, below the frame of the caller: what a function that has just returned left there.
 * Libraries copy a PIN to their stack and leave it. */
#define WIPE_STACK (64U * 1024U)
void wipe_stack(void);

/* As realloc(), from old_size bytes to more. NULL: no memory; the old block stays. */
void *wipe_realloc(void *memory, size_t old_size, size_t size);
