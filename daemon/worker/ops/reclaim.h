/* SPDX-License-Identifier: MPL-2.0 */
#pragma once

#include "daemon/worker/core/operation.h"

/* Before the worker serves: what a crash of an earlier one left is made whole or removed, and then its claim. 1: failure. */
int reclaim(struct operation *operation, struct failure *failure);
