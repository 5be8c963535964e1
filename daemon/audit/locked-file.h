/* SPDX-License-Identifier: MPL-2.0 */
/* The audit file is one process's to write. */
#pragma once

#include "daemon/util/macros.h"

/* Opens that file in the directory, made if it is absent, and locks it. *ret_size: its bytes. -EBUSY: another process has it, or renamed
 * it between the two, so that the lock protects nothing; -ENODEV: it is not a regular file; -errno. */
int locked_file_open(int directory_fd, const char *name, int *ret_fd, uint64_t *ret_size);
