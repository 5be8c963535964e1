/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The two listening sockets: systemd's where it passed them, else our own. They outlive every broker; no connection is
 * ever accepted here.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/config/config.h"

struct listening {
        int fd;
        char *path; /* of our own; NULL: systemd's */
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

/* Opens both; what is wrong is logged. -EADDRINUSE: another daemon answers there; -errno. sockets_close() all the
 * same. */
int sockets_open(struct sockets *sockets, const struct config *config);

/* Closes, and removes the files of our own that are still there. */
void sockets_close(struct sockets *sockets);
