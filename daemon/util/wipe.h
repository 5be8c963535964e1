/* SPDX-License-Identifier: MPL-2.0 */
/* Memory that may have held a secret: wiped before it is given back. Thread-safe. */
#pragma once

#include "daemon/util/macros.h"

/* NULL is fine. size: of the whole. */
void wipe_free(void *memory, size_t size);

/* As realloc(), from old_size bytes to more. NULL: no memory; the old block stays. */
void *wipe_realloc(void *memory, size_t old_size, size_t size);
