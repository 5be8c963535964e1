/* SPDX-License-Identifier: MPL-2.0 */
/* See quarantine.h. */
#include "daemon/audit/quarantine.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/util/text.h"

/* How many names are tried. A second try is rare: each TIME is a second, each SEQ a record. */
enum {
        NAMES = 100
};

static char *quarantine_name(const char *base, uint64_t seq, const char *end, int number)
{
        char when[sizeof("20261124T184148Z")] = "", again[16] = "";
        time_t now = time(NULL);
        struct tm tm;

        if (gmtime_r(&now, &tm))
                (void)strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
        if (number > 0)
                (void)snprintf(again, sizeof(again), "-%d", number);
        return text_format("%s.%s.%" PRIu64 "%s%s", base, when, seq, again, end);
}

/* rename(2) overwrites; a file system without RENAME_NOREPLACE (NFS) gets the name by link(2). */
static int rename_new(int directory_fd, const char *from, const char *to)
{
        if (renameat2(directory_fd, from, directory_fd, to, RENAME_NOREPLACE) == 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        if (linkat(directory_fd, from, directory_fd, to, 0) < 0 || unlinkat(directory_fd, from, 0) < 0)
                return -errno;
        return 0;
}

int quarantine_rename(int directory_fd, const char *base, uint64_t seq, const char *end, char **ret_name)
{
        for (int i = 0; i < NAMES; i++) {
                _cleanup_(freep) char *name = quarantine_name(base, seq, end, i);
                int r = name ? rename_new(directory_fd, base, name) : -ENOMEM;

                if (r == -EEXIST)
                        continue;
                if (r < 0)
                        return r;
                if (fsync(directory_fd) < 0)
                        return -errno;
                *ret_name = TAKE_PTR(name);
                return 0;
        }
        return -EEXIST;
}

static int copy_bytes(int from, int to, uint64_t offset, uint64_t size)
{
        char buffer[65536];

        while (offset < size) {
                ssize_t n = pread(
                        from, buffer, (size_t)MIN_OF(size - offset, (uint64_t)sizeof(buffer)), (off_t)offset);
                ssize_t written = n > 0 ? write(to, buffer, (size_t)n) : n;

                if (n < 0 || written < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (written == 0)
                        return -EIO;
                offset += (uint64_t)written;
        }
        return fsync(to) < 0 ? -errno : 0;
}

int quarantine_copy(int directory_fd, const char *base, uint64_t seq, int fd, uint64_t offset, uint64_t size,
        char **ret_name)
{
        for (int i = 0; i < NAMES; i++) {
                _cleanup_(freep) char *name = quarantine_name(base, seq, ".torn", i);
                _cleanup_(closep) int to = -1;
                int r;

                if (!name)
                        return -ENOMEM;
                to = openat(directory_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (to < 0 && errno == EEXIST)
                        continue;
                if (to < 0)
                        return -errno;
                r = copy_bytes(fd, to, offset, size);
                if (r == 0 && fsync(directory_fd) < 0)
                        r = -errno;
                if (r < 0) {
                        /* Remove the partial copy; the next try makes a whole one. */
                        (void)unlinkat(directory_fd, name, 0);
                        return r;
                }
                *ret_name = TAKE_PTR(name);
                return 0;
        }
        return -EEXIST;
}
