/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Keeps records: collects them and writes them to the file in groups. While the file cannot be written it keeps a bounded
 * backlog and tries again. It has no sockets, and time is passed in, so that tests can set it. Called by audit-server.c.
 */
#pragma once

#include "daemon/audit/file.h"

/* How often a file that cannot be written is tried again. */
#define KEEPER_RETRY_USEC (500U * USEC_PER_MSEC)

struct keeper {
        struct file *file;
        struct batch batch;
        bool ok;
        bool over;           /* only another process can write the file */
        char reason[128];    /* why not ok */
        uint64_t since_usec; /* wall clock, not ok since */
        uint64_t retry_usec; /* not ok: when to try again */
        uint64_t lost_now;   /* records given up since then */
        uint64_t lost;       /* records given up since the process started */
};

/* confine: as in confined-directory.h. Does not touch the disk. -EINVAL: path is not the path of a file; -ENOMEM. The owner calls keeper_done(). */
int keeper_init(struct keeper *keeper, const char *path, confine_directory *confine);
void keeper_done(struct keeper *keeper);

/* Whether a record of any size fits, so that one more may be received before keeper_commit(). While the keeper is not ok this is
 * always true: records that the backlog cannot hold are counted as lost. */
bool keeper_has_room(const struct keeper *keeper);

/* Takes a record in. */
void keeper_add(struct keeper *keeper, const char *text, size_t length);

/* Writes everything to the disk, with the file's own notes. False: that failed, now or less than KEEPER_RETRY_USEC ago. Sets
 * keeper->ok. */
bool keeper_commit(struct keeper *keeper, uint64_t now_usec);
