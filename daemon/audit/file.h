/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The audit file: opened and locked, its chain taken up where it stands, records appended and on the disk
 * before anything is said, renamed when it is full. Nothing in it is ever overwritten or thrown away: what a
 * crash tore, and what is not ours, is moved to a file beside it, and a record says so.
 *
 * Errors are for now: whatever failed may be tried again with the same call, and goes on where it stood.
 * Blocks on the disk. One thread.
 */
#pragma once

#include "daemon/audit/batch.h"
#include "daemon/audit/line.h"

struct file;

/* path: absolute, its directory must exist by the time of the first append. Does not touch the disk. -EINVAL:
 * not the path of a file; -ENOMEM. */
int file_new(const char *path, struct file **ret);
void file_free(struct file *file);
DEFINE_CLEANUP(struct file *, file_free);

/* Appends what the file itself has to say (a start, a rotation), then first (or NULL), then the records (or
 * NULL), in one write, and returns when they are on the disk. -EBUSY: another process has the file. On any
 * failure the file is as it was, or is cut back to it before the next write. */
int file_append(struct file *file, const char *first, const struct batch *records);

/* Renames the file to PATH.TIME.SEQ and begins a new one, whose first record says so. head_signed: for that
 * record; reason: why not, or NULL. 0 also where there is nothing to rename. */
int file_rotate(struct file *file, bool head_signed, const char *reason);

/* Where the chain stands on the disk. */
const struct chain *file_chain(const struct file *file);

/* Bytes of the present file; 0 while none is open. */
uint64_t file_length(const struct file *file);
