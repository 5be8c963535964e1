/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The numbers of users and groups. They are looked up in a child process: the C library's name service loads what the system is
 * configured with, and glibc writes to memory that it did not get. Such a child dies, and this process does not.
 */
#pragma once

#include <stdint.h>

enum name_kind {
        NAME_NONE = 0,
        NAME_USER,
        NAME_GROUP,
};

/* The uid or gid of that name. -ENOENT: there is none. -ENOMEM; another -errno where no child can be started. Waits as long as the name
 * service does; the child ends with the thread that waits. From any thread. */
int name_service_number(enum name_kind kind, const char *name, uint32_t *ret);
