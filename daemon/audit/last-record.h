/* SPDX-License-Identifier: MPL-2.0 */
/* Where the chain of a file stands: reads the end of the file, or finds the newest of the rotated files. */
#pragma once

#include "daemon/audit/line.h"

/* Bytes from the end of a file in which its last whole line is looked for. It is longer than any write, so that a torn write
 * does not hide the line before it. */
#define LAST_RECORD_WINDOW (4U * 1024U * 1024U)

/* Finds the last whole line in the last LAST_RECORD_WINDOW bytes of a file of size bytes: where the chain stands after it, and
 * the offset at which it ends. The rest of the file was torn by a crash, or is not ours. 1: there is no whole line. -errno. */
int last_record_read(int fd, uint64_t size, struct chain *ret_chain, uint64_t *ret_end);

/* Looks in the directory for the file BASE.TIME.SEQ (with or without an end) whose chain stands furthest: where it stands, and
 * the name of the file (the caller frees). A file that cannot be read is logged and skipped. 1: there is no such file. -errno. */
int last_record_find(int directory_fd, const char *base, struct chain *ret_chain, char **ret_name);

/* The file BASE.TIME.SEQ with the lowest SEQ, if nothing was written to it for keep_usec: where its chain stood at its end, and its name
 * (the caller frees). Those with another end (.torn, .damaged) are nobody's to remove. 1: it is younger, or there is none. -errno. */
int last_record_oldest(
        int directory_fd, const char *base, uint64_t keep_usec, struct chain *ret_chain, char **ret_name);
