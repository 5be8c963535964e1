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
        mode_t mode;
        gid_t group;
        bool missed; /* its file is not there, and the log says so */
};

struct sockets {
        struct listening keys, status;
};

#define SOCKETS_NONE                                                                                         \
        {                                                                                                    \
                {.fd = -1},                                                                                  \
                {                                                                                            \
                        .fd = -1                                                                             \
                }                                                                                            \
        }

/* Opens both. 1: one could not be opened, and the log says why. -errno. Call sockets_close() in any case. */
int sockets_open(struct sockets *sockets, const struct config *config);

/* Whether the file of this one was removed under us, and is there again: fd is another one then, which the broker has to be
 * told. What cannot be made again (systemd's; another file in its place) is said once in the log. */
bool sockets_mend(struct listening *listening);

/* Closes both, and removes those of our own files that are still there. */
void sockets_close(struct sockets *sockets);
