/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The directory of an internal token, as backup and restore see it: read whole, or made whole. Whoever calls acts as the owner of the
 * files (owner.h). Every reason is a sentence that names the path.
 */
#pragma once

#include "daemon/backup/archive.h"

/* The files as they are at one moment, though the service writes them. -errno; the reason says more. */
int place_read(const char *directory, struct backup *ret, char *reason, size_t size);

/* Puts them there, with mode 0600, on the disk. The directory gets its name when it is whole; where it is there already (a mount point,
 * say), key4.db comes last, and what was begun and not ended is taken away by the next call. -EEXIST: there is a token, or a part of one,
 * and nothing was changed. -errno: nothing was left. */
int place_write(const char *directory, const struct backup *backup, char *reason, size_t size);
