/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

#include "daemon/worker/core/operation.h"

/* Before the worker serves: what an earlier worker left when it crashed is completed or removed, and then its
 * claim. Errors as in failure.h. */
int reclaim(struct operation *operation, struct failure *failure);
