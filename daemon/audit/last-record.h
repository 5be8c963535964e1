/* SPDX-License-Identifier: MPL-2.0 */
/* Where the chain in a file stands: reading its end, and finding the newest of the files it was rotated into.
 */
#pragma once

#include "daemon/audit/line.h"

/* Bytes from the end of a file in which its last whole line is looked for: more than one write can have left
 * torn. */
#define LAST_RECORD_WINDOW (4U * 1024U * 1024U)

/* The last whole line among the last LAST_RECORD_WINDOW of size bytes: where the chain stands after it, and where
 * the line ends. What lies behind that was torn by a crash, or is not ours. 1: there is none. -errno. */
int last_record_read(int fd, uint64_t size, struct chain *ret_chain, uint64_t *ret_end);

/* Looks in the directory for BASE.TIME.SEQ (with or without an end) of the highest SEQ that last_record_read()
 * takes, and gives where its chain stands, and its name (the caller frees). A file that cannot be read is logged and skipped.
 * 1: there is none. -errno. */
int last_record_find(int directory_fd, const char *base, struct chain *ret_chain, char **ret_name);
