/* SPDX-License-Identifier: MPL-2.0 */
/* Moving an audit file, or the end of one, out of the way without overwriting anything. */
#pragma once

#include "daemon/util/macros.h"

/* Renames base to BASE.TIME.SEQ + end ("" or ".damaged"), or, where that exists, with a number behind. Gives
 * the new name (the caller frees). Both names are in the directory, which is fsynced. */
int quarantine_rename(int directory_fd, const char *base, uint64_t seq, const char *end, char **ret_name);

/* Copies the bytes from offset to size of fd into a new file BASE.TIME.SEQ.torn, and fsyncs it. */
int quarantine_copy(int directory_fd, const char *base, uint64_t seq, int fd, uint64_t offset, uint64_t size,
        char **ret_name);
