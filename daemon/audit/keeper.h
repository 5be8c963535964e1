/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Keeps records: takes them in, brings them to the file in groups, keeps a bounded backlog while nothing can
 * be written and tries again, and knows what is on the disk. No sockets: time is passed in, so that tests
 * turn it. Called by audit-server.c.
 */
#pragma once

#include "daemon/audit/file.h"

/* How often a file that cannot be written is tried again. */
#define KEEPER_RETRY_USEC (500U * USEC_PER_MSEC)

struct keeper {
        struct file *file;
        struct batch batch;
        bool ok;
        char reason[128];    /* why not ok */
        uint64_t since_usec; /* wall clock, not ok since */
        uint64_t retry_usec; /* not ok: when to try again */
        uint64_t lost_now;   /* given up since then */
        uint64_t lost;       /* given up since the process started */
};

/* Does not touch the disk. -EINVAL: not the path of a file; -ENOMEM. The owner calls keeper_done(). */
int keeper_init(struct keeper *keeper, const char *path);
void keeper_done(struct keeper *keeper);

/* Whether there is room for a record of any size, so that one more may be received before keeper_commit().
 * While not ok there always is: what the backlog cannot hold is counted as lost. */
bool keeper_has_room(const struct keeper *keeper);

/* Takes a record in. */
void keeper_add(struct keeper *keeper, const char *text, size_t length);

/* Brings everything to the disk, the file's own notes too. False: it failed, now or less than
 * KEEPER_RETRY_USEC ago. Changes keeper->ok. */
bool keeper_commit(struct keeper *keeper, uint64_t now_usec);
