/* SPDX-License-Identifier: MPL-2.0 */
/* See own-process.h. */
#include "daemon/worker/own-process.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/util/log.h"
#include "daemon/worker/core/descriptors.h"

/* What a growing process took since the last look, in KiB. */
#define GROWS_KIB (32U * 1024U)

static const int limits[OWN_LIMITS] = {RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_AS};

static rlim_t limit_of(int which)
{
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

        (void)getrlimit(which, &limit);
        return limit.rlim_cur;
}

void own_process_note(struct own_process *own)
{
        struct stat st = {0};

        (void)fstat(REQUEST_FD, &st);
        own->request.dev = st.st_dev;
        own->request.ino = st.st_ino;
        (void)fstat(CONTROL_FD, &st);
        own->control.dev = st.st_dev;
        own->control.ino = st.st_ino;
        for (size_t i = 0; i < OWN_LIMITS; i++)
                own->limits[i] = limit_of(limits[i]);
}

static bool is_still(int fd, dev_t dev, ino_t ino)
{
        struct stat st;

        return fstat(fd, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

int own_process_check(struct own_process *own, struct failure *failure)
{
        struct rusage usage = {0};
        uint64_t kib;

        if (!is_still(CONTROL_FD, own->control.dev, own->control.ino)) {
                log_error("the module closed or replaced descriptor %d, the channel to the supervisor",
                        CONTROL_FD);
                _exit(EXIT_FAILURE);
        }
        if (!is_still(REQUEST_FD, own->request.dev, own->request.ino))
                return failure_set(failure, WORKER_END_ERROR, 0,
                        "the module closed or replaced descriptor %d, the channel to the broker", REQUEST_FD);
        for (size_t i = 0; i < OWN_LIMITS; i++)
                if (limit_of(limits[i]) < own->limits[i])
                        return failure_set(
                                failure, WORKER_END_ERROR, 0, "the module lowered a limit of its process");
        /* A module may have undone it. */
        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)getrusage(RUSAGE_SELF, &usage);
        kib = (uint64_t)usage.ru_maxrss;
        own->grows = kib > own->memory_kib + GROWS_KIB;
        own->memory_kib = kib;
        if (kib > LIMIT_WORKER_BYTES / 1024U)
                return failure_set(failure, WORKER_END_ERROR, 0,
                        "its process has taken %ju MiB of memory, and it may take no more than %ju",
                        (uintmax_t)(kib / 1024U), (uintmax_t)(LIMIT_WORKER_BYTES >> 20));
        return 0;
}
