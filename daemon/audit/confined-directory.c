/* SPDX-License-Identifier: MPL-2.0 */
/* See confined-directory.h. Landlock knows the directory itself and not its path: one that was put in its place is none of ours. */
#include "daemon/audit/confined-directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "daemon/util/macros.h"

static int confine(struct confined_directory *directory, int fd)
{
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        r = directory->confine ? directory->confine(fd) : 1;
        if (r < 0)
                return r;
        directory->confined = r == 0;
        directory->device = st.st_dev;
        directory->inode = st.st_ino;
        return 0;
}

int confined_directory_open(struct confined_directory *directory, int *ret_fd)
{
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r;

        if (stat(directory->path, &st) < 0)
                return -errno;
        if (directory->confined && (st.st_dev != directory->device || st.st_ino != directory->inode))
                return -ESTALE;
        fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = directory->confined ? 0 : confine(directory, fd);
        if (r < 0)
                return r;
        *ret_fd = take_fd(&fd);
        return 0;
}
