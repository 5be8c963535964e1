/* SPDX-License-Identifier: MPL-2.0 */
/* See place.h. */
#include "daemon/backup/place.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/backup/database.h"
#include "daemon/util/text.h"
#include "proto/limits.h"

/* Where the files are written before they are the token's. */
#define STAGING ".restoring"

/* In the order in which they become the token's: without the last there is none. */
static const enum backup_file order[BACKUP_FILES] = {BACKUP_PIN, BACKUP_CERTIFICATES, BACKUP_KEYS};

static int say(char *reason, size_t size, const char *path, int error)
{
        snprintf(reason, size, "%s: %s", path, strerror(-error));
        return error;
}

/* ---- reading ---- */

static int read_pin(const char *directory, struct backup *backup, char *reason, size_t size)
{
        _cleanup_(freep) char *path = text_format("%s/pin", directory);
        _cleanup_(closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
        struct backup_bytes *pin = &backup->files[BACKUP_PIN];
        char *text = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        if (fd < 0)
                return errno == ENOENT ? 0 : say(reason, size, path, -errno);
        r = text_read(fd, LIMIT_PIN + 2, &text, &pin->length);
        if (r < 0)
                return say(reason, size, path, r);
        pin->data = (uint8_t *)text;
        return pin->length > LIMIT_PIN + 2 ? say(reason, size, path, -EFBIG) : 0;
}

static int read_databases(const char *directory, struct backup *backup, char *reason, size_t size)
{
        _cleanup_(freep) char *certificates = text_format("%s/cert9.db", directory);
        _cleanup_(freep) char *keys = text_format("%s/key4.db", directory);
        struct database_copy copies[] = {{.path = certificates}, {.path = keys}};
        int r;

        if (!certificates || !keys)
                return -ENOMEM;
        for (size_t i = 0; i < ARRAY_SIZE(copies); i++)
                if (access(copies[i].path, F_OK) < 0)
                        return say(reason, size, copies[i].path, -errno);
        r = database_copy(copies, ARRAY_SIZE(copies), LIMIT_BACKUP, reason, size);
        for (size_t i = 0; i < ARRAY_SIZE(copies); i++)
                backup->files[i] = (struct backup_bytes){copies[i].data, copies[i].length};
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(copies); i++)
                r = database_check(copies[i].data, copies[i].length, reason, size);
        return r;
}

int place_read(const char *directory, struct backup *ret, char *reason, size_t size)
{
        struct backup backup = {0};
        int r = read_databases(directory, &backup, reason, size);

        if (r == 0)
                r = read_pin(directory, &backup, reason, size);
        if (r < 0) {
                backup_done(&backup);
                return r;
        }
        memcpy(ret->files, backup.files, sizeof(backup.files));
        return 0;
}

/* ---- writing ---- */

static bool same_file(int a, int b, const char *name)
{
        struct stat x, y;

        return fstatat(a, name, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
               fstatat(b, name, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_there(int fd, const char *name)
{
        return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Takes away what a call before this one began and did not end. target_fd: where its files may have come to be; -1: nowhere. */
static void clear_staging(int parent_fd, const char *name, int target_fd)
{
        _cleanup_(closep) int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        bool ended = target_fd < 0 || is_there(target_fd, backup_file_name(BACKUP_KEYS));

        for (size_t i = 0; fd >= 0 && i < BACKUP_FILES; i++) {
                const char *file = backup_file_name(order[i]);

                if (!ended && same_file(fd, target_fd, file))
                        (void)unlinkat(target_fd, file, 0);
                (void)unlinkat(fd, file, 0);
        }
        (void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

static int write_bytes(int fd, const struct backup_bytes *bytes)
{
        const uint8_t *at = bytes->data;
        size_t left = bytes->length;

        while (left > 0) {
                ssize_t n = write(fd, at, left);

                if (n < 0 && errno != EINTR)
                        return -errno;
                at += MAX_OF(n, (ssize_t)0);
                left -= (size_t)MAX_OF(n, (ssize_t)0);
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_staged(int fd, const struct backup *backup)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < BACKUP_FILES; i++) {
                _cleanup_(closep) int file = -1;

                if (!backup->files[i].data)
                        continue;
                file = openat(fd, backup_file_name((enum backup_file)i),
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
                r = file < 0 ? -errno : write_bytes(file, &backup->files[i]);
        }
        return r == 0 && fsync(fd) < 0 ? -errno : r;
}

static int stage(int parent_fd, const char *name, const struct backup *backup, int *ret_fd)
{
        _cleanup_(closep) int fd = -1;
        int r;

        if (mkdirat(parent_fd, name, 0700) < 0)
                return -errno;
        fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : write_staged(fd, backup);
        if (r == 0)
                *ret_fd = take_fd(&fd);
        return r;
}

/* Into a directory that is there. */
static int link_all(int staged_fd, int target_fd, const struct backup *backup)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < BACKUP_FILES; i++) {
                const char *name = backup_file_name(order[i]);

                if (backup->files[order[i]].data && linkat(staged_fd, name, target_fd, name, 0) < 0)
                        r = -errno;
        }
        return r == 0 && fsync(target_fd) < 0 ? -errno : r;
}

static int write_inside(int target_fd, const struct backup *backup)
{
        _cleanup_(closep) int staged_fd = -1;
        int r;

        clear_staging(target_fd, STAGING, target_fd);
        for (size_t i = 0; i < BACKUP_FILES; i++)
                if (is_there(target_fd, backup_file_name((enum backup_file)i)))
                        return -EEXIST;
        r = stage(target_fd, STAGING, backup, &staged_fd);
        if (r == 0)
                r = link_all(staged_fd, target_fd, backup);
        clear_staging(target_fd, STAGING, target_fd);
        return r;
}

/* As a directory of its own. RENAME_NOREPLACE: it may have been made meanwhile. */
static int write_new(int parent_fd, const char *name, const struct backup *backup)
{
        _cleanup_(freep) char *staging = text_format("%s" STAGING, name);
        _cleanup_(closep) int staged_fd = -1;
        int r;

        if (!staging)
                return -ENOMEM;
        clear_staging(parent_fd, staging, -1);
        r = stage(parent_fd, staging, backup, &staged_fd);
        if (r == 0 && renameat2(parent_fd, staging, parent_fd, name, RENAME_NOREPLACE) < 0)
                r = -errno;
        if (r == 0 && fsync(parent_fd) < 0)
                r = -errno;
        if (r < 0)
                clear_staging(parent_fd, staging, -1);
        return r;
}

static int write_locked(int parent_fd, const char *name, const struct backup *backup)
{
        _cleanup_(closep) int target_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (target_fd < 0 && errno != ENOENT)
                return -errno;
        if (flock(target_fd < 0 ? parent_fd : target_fd, LOCK_EX | LOCK_NB) < 0)
                return -errno;
        return target_fd < 0 ? write_new(parent_fd, name, backup) : write_inside(target_fd, backup);
}

static int make_parents(const char *path)
{
        _cleanup_(freep) char *copy = strdup(path);

        for (char *slash = copy; copy && (slash = strchr(slash + 1, '/'));) {
                *slash = '\0';
                if (mkdir(copy, 0700) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return copy ? 0 : -ENOMEM;
}

int place_write(const char *directory, const struct backup *backup, char *reason, size_t size)
{
        _cleanup_(freep) char *above = strdup(directory), *below = strdup(directory);
        _cleanup_(closep) int parent_fd = -1;
        int r;

        if (!above || !below)
                return -ENOMEM;
        r = make_parents(directory);
        parent_fd = r < 0 ? -1 : open(dirname(above), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (r == 0 && parent_fd < 0)
                r = -errno;
        if (r == 0)
                r = write_locked(parent_fd, basename(below), backup);
        if (r == -EEXIST)
                snprintf(reason, size,
                        "a token, or a part of one, is in %s: nothing is written over it. To restore "
                        "nonetheless, move it "
                        "away first, and keep it until the restored one works",
                        directory);
        else if (r == -EWOULDBLOCK)
                snprintf(reason, size, "another restore is under way in %s", directory);
        else if (r < 0)
                (void)say(reason, size, directory, r);
        return r;
}
