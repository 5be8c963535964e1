/* SPDX-License-Identifier: MPL-2.0 */
/* Moves an audit file, or its end, out of the way without overwriting anything. */
#pragma once

#include "daemon/util/macros.h"

/* Renames base to BASE.TIME.SEQ followed by end ("" or ".damaged"); if that exists, with a number before the end. The new name
 * into *ret_name (the caller frees). Both names are in the directory, which is fsynced. -EEXIST: too many such names exist;
 * -errno. */
int quarantine_rename(int directory_fd, const char *base, uint64_t seq, const char *end, char **ret_name);

/* Copies the bytes from offset to size of fd into a new file BASE.TIME.SEQ.torn, and fsyncs both it and the directory. The name,
 * the errors: as above. */
int quarantine_copy(int directory_fd, const char *base, uint64_t seq, int fd, uint64_t offset, uint64_t size,
        char **ret_name);
