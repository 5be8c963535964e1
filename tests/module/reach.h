/* SPDX-License-Identifier: MPL-2.0 */
/* What a module of bad will does to a process that is not its own. */
#pragma once

#include <sys/types.h>

/* Tries to signal, to trace and to read it, and to take its descriptors. A mask of what it could: 1 for each line of the table in
 * reach.c. Signals are those that do nothing (0), or SIGCONT. */
unsigned long module_reach(pid_t pid);
