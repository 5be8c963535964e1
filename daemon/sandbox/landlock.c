/* SPDX-License-Identifier: MPL-2.0 */
/* See landlock.h. The headers of Linux 6.1 have half of it, and glibc 2.36 has no functions for it. */
#include "daemon/sandbox/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

#include "daemon/util/macros.h"

/* Rights to files, as they came with the versions of Landlock. */
#define FILES_1      ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define TRUNCATE_3   (UINT64_C(1) << 14)
#define IOCTL_DEV_5  (UINT64_C(1) << 15)
#define TCP_4        UINT64_C(3) /* bind, connect */
#define SCOPE_SOCKET UINT64_C(1)
#define SCOPE_SIGNAL UINT64_C(2)

/* The first version in which the kernel has it. */
enum {
        VERSION_REFER = 2,
        VERSION_TRUNCATE = 3,
        VERSION_TCP = 4,
        VERSION_IOCTL = 5,
        VERSION_SCOPE = 6
};

/* What a process gives up; the kernel's struct as it is from Linux 6.12 on. */
struct ruleset {
        uint64_t files, tcp, scope;
};

static size_t ruleset_size(int abi)
{
        if (abi >= VERSION_SCOPE)
                return sizeof(struct ruleset);
        return abi >= VERSION_TCP ? offsetof(struct ruleset, scope) : offsetof(struct ruleset, tcp);
}

/* beneath_fd: where the rights `granted` stay; -1: nowhere. */
static int enter(int abi, const struct ruleset *ruleset, int beneath_fd, uint64_t granted)
{
        struct landlock_path_beneath_attr beneath = {.allowed_access = granted, .parent_fd = beneath_fd};
        _cleanup_(closep) int fd = (int)syscall(SYS_landlock_create_ruleset, ruleset, ruleset_size(abi), 0);

        if (fd < 0)
                return -errno;
        if (beneath_fd >= 0 &&
                syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0)
                return -errno;
        return syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
}

/* Every right to files that this version knows. */
static uint64_t all_files(int abi)
{
        return FILES_1 | (abi >= VERSION_REFER ? LANDLOCK_ACCESS_FS_REFER : 0) |
               (abi >= VERSION_TRUNCATE ? TRUNCATE_3 : 0) | (abi >= VERSION_IOCTL ? IOCTL_DEV_5 : 0);
}

int landlock_domain(void)
{
        const struct ruleset scope = {.scope = SCOPE_SIGNAL};
        /* A domain needs one right that is given up: device files nobody makes here. Where files are in it at all, a rename from
         * one directory to another has to be granted. */
        const struct ruleset files = {.files = LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                               LANDLOCK_ACCESS_FS_REFER};
        _cleanup_(closep) int root = -1;
        int abi = landlock_version();

        if (abi < VERSION_REFER)
                return 1;
        if (abi >= VERSION_SCOPE)
                return enter(abi, &scope, -1, 0);
        root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root < 0 ? -errno : enter(abi, &files, root, LANDLOCK_ACCESS_FS_REFER);
}

static int shut(int directory_fd, uint64_t granted)
{
        int abi = landlock_version();
        const struct ruleset all = {
                .files = all_files(abi), .tcp = TCP_4, .scope = SCOPE_SOCKET | SCOPE_SIGNAL};

        return abi == 0 ? 1 : enter(abi, &all, directory_fd, granted & all.files);
}

int landlock_nothing(void)
{
        return shut(-1, 0);
}

int landlock_directory(int directory_fd)
{
        return shut(directory_fd, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                          LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                                          LANDLOCK_ACCESS_FS_REMOVE_FILE | TRUNCATE_3);
}
