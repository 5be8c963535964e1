/* SPDX-License-Identifier: MPL-2.0 */
/* See mark.h. Two hosts never share these files, and the workers of one host have a file each. */
#include "daemon/worker/device/mark.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/audit.h"
#include "daemon/util/text.h"

/* Bytes of a mark. */
#define MARK_MAX 16384U

static const char *const endings[] = {[MARK_MAKING] = ".making", [MARK_MADE] = ".made"};

/* ---- names ---- */

static char *marks_of(const char *state_directory)
{
        size_t length = strlen(state_directory);

        while (length > 1 && state_directory[length - 1] == '/')
                length--;
        return text_format("%.*s.made", (int)length, state_directory);
}

/* A path as the name of a file: a hyphen for each slash, as systemd-escape(1) does it. Two spellings of a path that differ in slashes
 * alone are one. NULL: no memory. */
static char *escape(const char *path)
{
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.";
        char *name = malloc(4 * strlen(path) + 1), *out = name;
        bool slash = false;

        for (; name && *path; path++) {
                if (*path == '/') {
                        slash = true;
                        continue;
                }
                if (slash && out > name)
                        *out++ = '-';
                slash = false;
                if (strchr(plain, *path) && !(out == name && *path == '.'))
                        *out++ = *path;
                else
                        out += snprintf(out, 5, "\\x%02x", (unsigned char)*path);
        }
        if (name)
                *out = '\0';
        return name;
}

static char *mark_name(const char *directory, enum mark_state state)
{
        _cleanup_(freep) char *name = escape(directory);

        return name ? text_format("%s%s", name, endings[state]) : NULL;
}

/* ---- reading ---- */

/* The value of a line KEY=; the caller frees. NULL: there is none, or no memory. */
static char *value_of(const char *text, const char *key)
{
        size_t length = strlen(key);

        for (const char *line = text; *line;) {
                const char *end = strchrnul(line, '\n');

                if (strncmp(line, key, length) == 0)
                        return strndup(line + length, (size_t)(end - line) - length);
                line = *end ? end + 1 : end;
        }
        return NULL;
}

static int read_mark(int fd, const char *name, char **ret)
{
        _cleanup_(closep) int file = openat(fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        size_t length;

        return file < 0 ? -errno : text_read(file, MARK_MAX, ret, &length);
}

/* 1: there is no such mark. */
static int try_mark(int fd, const char *directory, enum mark_state state, struct mark *ret)
{
        _cleanup_(freep) char *name = mark_name(directory, state), *text = NULL, *since = NULL;
        int r = name ? read_mark(fd, name, &text) : -ENOMEM;

        if (r == -ENOENT || r == -ENAMETOOLONG)
                return 1;
        if (r < 0)
                return r;
        since = value_of(text, "Since=");
        *ret = (struct mark){.state = state};
        snprintf(ret->since, sizeof(ret->since), "%s", since ? since : "");
        return 0;
}

int mark_read(const char *state_directory, const char *directory, struct mark *ret)
{
        _cleanup_(freep) char *path = marks_of(state_directory);
        _cleanup_(closep) int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        int r;

        if (!path)
                return -ENOMEM;
        if (fd < 0 && errno != ENOENT)
                return -errno;
        r = fd < 0 ? 1 : try_mark(fd, directory, MARK_MADE, ret);
        if (r == 1 && fd >= 0)
                r = try_mark(fd, directory, MARK_MAKING, ret);
        if (r == 1)
                *ret = (struct mark){.state = MARK_NONE};
        return MIN_OF(r, 0);
}

/* ---- writing ---- */

static int write_text(int fd, const char *name, const char *text)
{
        _cleanup_(closep) int file =
                openat(fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        size_t length = strlen(text);
        ssize_t n;

        if (file < 0)
                return -errno;
        n = write(file, text, length);
        if (n < 0 || (size_t)n != length)
                return n < 0 ? -errno : -ENOSPC;
        return fsync(file) < 0 ? -errno : 0;
}

static char *mark_text(const struct config_token *token)
{
        char when[AUDIT_TIME_SIZE];

        audit_time(wall_usec(), when);
        return text_format(
                "# tokend made this internal token. As long as this file is here, it makes no other in its "
                "place.\nToken=%s\nDirectory=%s\nSince=%s\n",
                token->name, token->directory, when);
}

static int write_mark(int fd, const struct config_token *token, enum mark_state state)
{
        enum mark_state other = state == MARK_MADE ? MARK_MAKING : MARK_MADE;
        _cleanup_(freep) char *name = mark_name(token->directory, state);
        _cleanup_(freep) char *before = mark_name(token->directory, other);
        _cleanup_(freep) char *text = mark_text(token);
        _cleanup_(freep) char *new = name ? text_format("%s.new", name) : NULL;
        int r = name && before && text && new ? write_text(fd, new, text) : -ENOMEM;

        if (r == 0 && renameat(fd, new, fd, name) < 0)
                r = -errno;
        if (r == 0 && unlinkat(fd, before, 0) < 0 && errno != ENOENT)
                r = -errno;
        return r == 0 && fsync(fd) < 0 ? -errno : r;
}

int mark_write(const char *state_directory, const struct config_token *token, enum mark_state state)
{
        _cleanup_(freep) char *path = marks_of(state_directory);
        _cleanup_(closep) int fd = -1;

        if (!path)
                return -ENOMEM;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : write_mark(fd, token, state);
}

/* ---- what no section has ---- */

static bool is_configured(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->n_tokens; i++) {
                const char *directory = config->tokens[i]->directory;
                _cleanup_(freep) char *own = directory ? mark_name(directory, MARK_MADE) : NULL;

                if (own && strcmp(own, name) == 0)
                        return true;
        }
        return false;
}

static bool has_databases(const char *directory)
{
        _cleanup_(freep) char *path = text_format("%s/key4.db", directory);

        return path && access(path, F_OK) == 0;
}

static bool is_mark(const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot && strcmp(dot, endings[MARK_MADE]) == 0;
}

char *mark_orphan(const struct config *config)
{
        _cleanup_(freep) char *path = marks_of(config->state_directory);
        DIR *marks = path ? opendir(path) : NULL;
        const struct dirent *entry;
        char *found = NULL;

        while (marks && !found && (entry = readdir(marks))) {
                _cleanup_(freep) char *text = NULL, *directory = NULL;

                if (!is_mark(entry->d_name) || is_configured(config, entry->d_name) ||
                        read_mark(dirfd(marks), entry->d_name, &text) < 0)
                        continue;
                directory = value_of(text, "Directory=");
                if (directory && has_databases(directory))
                        found = TAKE_PTR(directory);
        }
        if (marks)
                closedir(marks);
        return found;
}
