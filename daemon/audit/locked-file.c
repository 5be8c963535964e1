/* SPDX-License-Identifier: MPL-2.0 */
/* See locked-file.h. */
#include "daemon/audit/locked-file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

int locked_file_open(int directory_fd, const char *name, int *ret_fd, uint64_t *ret_size)
{
        _cleanup_(closep) int fd = -1;
        struct stat st, named;

        fd = openat(directory_fd, name,
                O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
        if (fd < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -ENODEV;
        if (fstatat(directory_fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != st.st_ino ||
                named.st_dev != st.st_dev)
                return -EBUSY;
        *ret_fd = take_fd(&fd);
        *ret_size = (uint64_t)st.st_size;
        return 0;
}
