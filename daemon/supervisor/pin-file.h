/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which PIN was refused. The supervisor never reads a PIN: it tells one from another by the stat(2) of its file. A wrong
 * PIN costs one attempt, whoever makes it: no worker and no look tries it again until the file changes.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "daemon/config/config.h"

/* Where any of it changes, the file may hold another PIN. Zeros: there is no file. */
struct pin_identity {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified, changed;
};

struct refused_pin {
        bool refused;
        struct pin_identity file;
};

/* Of the section's PIN file as it is now. */
struct pin_identity pin_identity_of(const struct config_token *config);

/* read: the file when the process that was refused started, and so most likely what it read. A file that was put there
 * meanwhile has not been tried. */
void pin_refuse(struct refused_pin *pin, const struct pin_identity *read);

/* Whether the PIN that the section names now is the one that was refused. */
bool pin_is_refused(const struct refused_pin *pin, const struct config_token *config);
