/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Databases of SQLite, copied whole while another process writes them, and checked. By libsqlite3, which NSS brings along: it is
 * loaded when it is needed, so that no other verb of tokendctl has it in its process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/util/macros.h"

struct database_copy {
        const char *path;
        uint8_t *data; /* the caller frees */
        size_t length;
};

/* Copies all n as they are at one moment: nobody can write to the first while the last is copied. reason: why not, for -EIO. -EFBIG: one
 * is longer than max. */
int database_copy(struct database_copy *copies, size_t n, size_t max, char *reason, size_t size);

/* Whether these bytes are a whole database of NSS. -EBADMSG: they are not, for that reason; -EIO: it cannot be told. */
int database_check(const uint8_t *data, size_t length, char *reason, size_t size);
