/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SIGHUP: the files are read and checked as a whole. If they have no fault, each token whose section did not change keeps
 * everything it has.
 */
#pragma once

#include "daemon/supervisor/supervisor.h"

/* Begins to read the files; the rest follows when they have been read. */
void supervisor_reload(struct supervisor *supervisor);
