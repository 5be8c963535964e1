/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The two listening sockets: systemd's if it passed them, else our own. They outlive every broker. The supervisor never
 * accepts a connection.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/config/config.h"

struct listening {
        int fd;
        char *path; /* NULL: it is systemd's */
        dev_t device;
        ino_t inode;
};

struct sockets {
        struct listening keys, status;
};

#define SOCKETS_NONE                                                                                         \
        {                                                                                                    \
                {-1, NULL, 0, 0},                                                                            \
                {                                                                                            \
                        -1, NULL, 0, 0                                                                       \
                }                                                                                            \
        }

/* Opens both. 1: one could not be opened, and the log says why. -errno. Call sockets_close() in any case. */
int sockets_open(struct sockets *sockets, const struct config *config);

/* Closes both, and removes those of our own files that are still there. */
void sockets_close(struct sockets *sockets);
