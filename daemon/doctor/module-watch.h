/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Runs module-child.c over one module, for a limited time, and keeps what it tells, how it ended, and what the kernel refused it: files,
 * sockets, shared memory. It is traced for that (ptrace(2)) where that is possible.
 */
#pragma once

#include "daemon/config/config.h"
#include "daemon/doctor/module-report.h"

/* pin_file: NULL: no login. -errno: it could not be started. */
int module_watch(const struct config_token *config, const char *pin_file, struct module_report *ret);
