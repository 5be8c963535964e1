/* SPDX-License-Identifier: MPL-2.0 */
/* A worker that serves gets no more requests, and finishes what it has. */
#pragma once

#include "daemon/supervisor/supervised-token.h"

/* The broker says with REPLACE when it has. Returns how long that may take, which is as long as a call; 0: it has nothing, or nobody
 * can tell. reason: for the log. */
uint64_t retire_worker(const struct supervised_token *token, const char *reason);
