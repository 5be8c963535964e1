/* SPDX-License-Identifier: MPL-2.0 */
/* What the broker is told of the objects in the inventory: an ENTRY each, when it is new or another than it was told last. Private to
 * refresh.c, which holds the renewal. */
#pragma once

#include "daemon/worker/core/index.h"

/* all: also of what did not change. report may be NULL: then nothing is told. */
void entries_report(const struct inventory *inventory, const struct report *report, bool all);
