/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The audit file. It is opened and locked, and its chain goes on where it stands. Records are on the disk before anybody is
 * told. A full file is renamed. Nothing is ever overwritten or thrown away: what a crash tore, and what is not ours, is moved
 * to a file beside it, and a record says so.
 *
 * A call that failed may be repeated, and goes on from where the file stood. Blocks on the disk. One thread.
 */
#pragma once

#include "daemon/audit/batch.h"
#include "daemon/audit/confined-directory.h"
#include "daemon/audit/line.h"

struct file;

/* path: absolute; its directory must exist by the first append. confine: as in confined-directory.h. Does not touch the disk. -EINVAL:
 * path is not the path of a file; -ENOMEM. */
int file_new(const char *path, confine_directory *confine, struct file **ret);
void file_free(struct file *file);
DEFINE_CLEANUP(struct file *, file_free);

/* Appends the file's own notes (a start, a rotation), then first (or NULL), then the records (or NULL), in one write, and
 * returns when they are on the disk. -EBUSY: another process has locked the file; -ESTALE: only another process
 * can write it now (confined-directory.h); -errno. After a failure the file is as it
 * was, or is cut back to that before the next write. */
int file_append(struct file *file, const char *first, const struct batch *records);

/* Renames the file to PATH.TIME.SEQ and begins a new one, whose first record says so. That record also says whether the head of
 * the old file is signed, and the reason (or NULL) if it is not. An empty file is not renamed: 0. */
int file_rotate(struct file *file, bool head_signed, const char *reason);

/* Removes files PATH.TIME.SEQ to which nothing was written for keep_usec: the oldest first, and none that is older than one that stays.
 * Before each goes, a record says where its chain stood, so that what stays can be checked. -errno. */
int file_sweep(struct file *file, uint64_t keep_usec);

/* Where the chain stands on the disk. */
const struct chain *file_chain(const struct file *file);

/* Bytes of the present file; 0 while it is not open. */
uint64_t file_length(const struct file *file);

const char *file_path(const struct file *file);
