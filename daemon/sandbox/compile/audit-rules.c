/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What tokend-audit may ask of the kernel. Which files it can open is for Landlock to say (daemon/sandbox/landlock.h): a path lies
 * in memory, which no filter sees.
 */
#include <fcntl.h>

#include "daemon/sandbox/compile/rules.h"

static const struct rule audit[] = {
        /* Fresh channels come over the control. */
        ALLOW(recvmsg),
        ALLOW_IF(fcntl, IS(1, F_GETFL)),
        ALLOW_IF(fcntl, IS(1, F_SETFD)),
        ALLOW_IF(fcntl, IS(1, F_SETFL), HAS(2, O_ASYNC, 0)),
        /* The file, and those beside it. */
        ALLOW(openat),
        ALLOW(flock),
        ALLOW(stat),
        ALLOW(lstat),
        ALLOW(fstat),
        ALLOW(newfstatat),
        ALLOW(fstatat64),
        ALLOW(statx),
        ALLOW(getdents64),
        ALLOW(read),
        ALLOW(pread64),
        ALLOW(lseek),
        ALLOW(ftruncate),
        ALLOW(fsync),
        ALLOW(fdatasync),
        ALLOW(renameat2),
        ALLOW(linkat),
        ALLOW(unlinkat),
        /* Its own restriction to the directory, when that is there. */
        ALLOW(landlock_create_ruleset),
        ALLOW(landlock_add_rule),
        ALLOW(landlock_restrict_self),
};

const struct rules rules_audit = {audit, ARRAY_SIZE(audit)};
