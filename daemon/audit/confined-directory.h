/* SPDX-License-Identifier: MPL-2.0 */
/* The directory of the audit file, and the restriction of the process to it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Confines the process to the directory of that descriptor. 1: the system cannot do that; -errno. */
typedef int confine_directory(int directory_fd);

struct confined_directory {
        const char *path;           /* its owner's */
        confine_directory *confine; /* NULL: the process is free, a test's */
        bool confined;              /* to this device and inode */
        dev_t device;
        ino_t inode;
};

/* Opens it. The first time, the process is confined to it from then on. -ESTALE: the process is
 * confined to the directory that was there before, and only another process can use the one that is there now. -errno. */
int confined_directory_open(struct confined_directory *directory, int *ret_fd);
