/* SPDX-License-Identifier: MPL-2.0 */
/* See store.h. */
#include "daemon/worker/device/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/util/log.h"
#include "daemon/util/text.h"

static const char *const files[STORE_FILES] = {"cert9.db", "key4.db"};
/* What every database of SQLite begins with. */
static const char sqlite_magic[16] = "SQLite format 3";

/* Makes the directory and what is missing above it, for this user alone. */
static int make_directory(const char *path)
{
        _cleanup_(freep) char *copy = text_format("%s", path);

        if (!copy)
                return -ENOMEM;
        for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(copy, 0700) < 0 && errno != EEXIST)
                        return -errno;
                *slash = '/';
        }
        return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* ---- what is there ---- */

/* The path of one file of the store. */
static char *file_path(const struct slot_token *token, const char *name)
{
        return text_format("%s/%s", token->config->directory, name);
}

/* Whose the file is that we may not use, or the directory that we may not search: most were restored as root. */
static int refuse_access(const char *path, int error, struct failure *failure)
{
        _cleanup_(freep) char *at = strdup(path);
        struct stat st;
        char *slash;

        if (!at)
                return -ENOMEM;
        while (error == EACCES && stat(at, &st) < 0 && (slash = strrchr(at, '/')) && slash > at)
                *slash = '\0';
        if (error == EACCES && stat(at, &st) == 0)
                return failure_set(failure, WORKER_END_STORE, 0,
                        "%s: %s: it is of uid %u with mode %03o, and tokend runs as uid %u", at,
                        strerror(error), (unsigned)st.st_uid, (unsigned)st.st_mode & 0777U,
                        (unsigned)geteuid());
        return failure_set(failure, WORKER_END_STORE, 0, "%s: %s", path, strerror(error));
}

/* *ret: whether it is there and begins as a database. Before NSS opens it: a close of ours would end locks of SQLite's. */
static int look_at(const char *path, bool *ret, struct failure *failure)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char start[sizeof(sqlite_magic)];

        *ret = false;
        if (fd < 0)
                return errno == ENOENT || errno == ENOTDIR ? 0 : refuse_access(path, errno, failure);
        *ret = read(fd, start, sizeof(start)) == sizeof(start) &&
               memcmp(start, sqlite_magic, sizeof(start)) == 0;
        /* Of what is there and cannot be written the token is read only: NSS says so where a key is to be made. */
        if (access(path, W_OK) < 0)
                log_warning("%s cannot be written: %s", path, strerror(errno));
        return 0;
}

static int look_at_all(const struct slot_token *token, bool ret[static STORE_FILES], struct failure *failure)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < STORE_FILES; i++) {
                _cleanup_(freep) char *path = file_path(token, files[i]);

                r = path ? look_at(path, &ret[i], failure) : -ENOMEM;
        }
        return r;
}

static void note(struct slot_token *token)
{
        for (size_t i = 0; i < STORE_FILES; i++) {
                _cleanup_(freep) char *path = file_path(token, files[i]);
                struct stat st = {0};

                if (path)
                        (void)stat(path, &st);
                token->store.files[i].dev = st.st_dev;
                token->store.files[i].ino = st.st_ino;
        }
}

/* ---- what may be made ---- */

static int refuse_missing(const struct slot_token *token, const struct mark *mark, struct failure *failure)
{
        return failure_set(failure, WORKER_END_STORE, 0,
                "its databases (made %.10s) are not in %s: is the volume not mounted, or were they removed?",
                *mark->since ? mark->since : "before", token->config->directory);
}

static int refuse_half(
        const struct slot_token *token, const bool there[static STORE_FILES], struct failure *failure)
{
        return failure_set(failure, WORKER_END_STORE, 0,
                "only half of its databases is in %s: %s is a database, %s is missing or none; nothing is "
                "made over it",
                token->config->directory, files[there[0] ? 0 : 1], files[there[0] ? 1 : 0]);
}

static void set_mark(const struct slot_token *token, enum mark_state state)
{
        int r = mark_write(token->daemon->state_directory, token->config, state);

        if (r < 0)
                log_warning("token %s: the mark that it was made cannot be written to %s.made (%s): if its "
                            "databases "
                            "were lost, empty ones would be made in their place. Give tokend that directory",
                        token->config->name, token->daemon->state_directory, strerror(-r));
}

static void begin_making(const struct slot_token *token)
{
        _cleanup_(freep) char *orphan = mark_orphan(token->daemon);

        if (orphan)
                log_warning("token %s: a new, empty one is made in %s. The databases in %s, which were made "
                            "before, are "
                            "no section's now: if only the section was renamed, set its Directory= to them",
                        token->config->name, token->config->directory, orphan);
        set_mark(token, MARK_MAKING);
}

static int decide(struct slot_token *token, const bool there[static STORE_FILES], struct failure *failure)
{
        struct mark *mark = &token->store.mark;
        int r = mark_read(token->daemon->state_directory, token->config->directory, mark);
        bool whole = there[0] && there[1], nothing = !there[0] && !there[1];

        if (whole) {
                if (r < 0)
                        log_warning("token %s: the mark in %s.made cannot be read: %s", token->config->name,
                                token->daemon->state_directory, strerror(-r));
                return 0;
        }
        if (r < 0)
                return failure_set(failure, WORKER_END_STORE, 0,
                        "no databases are in %s, and whether there were any cannot be read in %s.made: %s",
                        token->config->directory, token->daemon->state_directory, strerror(-r));
        if (nothing && mark->state == MARK_MADE && !token->anew)
                return refuse_missing(token, mark, failure);
        if (!nothing && mark->state != MARK_MAKING)
                return refuse_half(token, there, failure);
        if (mark->state != MARK_MAKING)
                begin_making(token);
        mark->state = MARK_MAKING;
        return 0;
}

int store_begin(struct slot_token *token, struct failure *failure)
{
        const char *directory = token->config->directory;
        bool there[STORE_FILES] = {false};
        int r = look_at_all(token, there, failure);

        if (r == 0)
                r = decide(token, there, failure);
        if (r != 0)
                return r;
        r = make_directory(directory);
        return r < 0 ? refuse_access(directory, -r, failure) : 0;
}

int store_may_complete(const struct slot_token *token, struct failure *failure)
{
        if (token->store.mark.state != MARK_MADE)
                return 0;
        return failure_set(failure, WORKER_END_STORE, 0,
                "the databases in %s have no PIN, but those that were made %.10s had one: they are others, "
                "or damaged",
                token->config->directory, token->store.mark.since);
}

void store_made(struct slot_token *token)
{
        note(token);
        if (token->store.mark.state != MARK_MADE)
                set_mark(token, MARK_MADE);
}

/* ---- while it serves ---- */

int store_check(const struct slot_token *token, struct failure *failure)
{
        for (size_t i = 0; i < STORE_FILES; i++) {
                _cleanup_(freep) char *path = file_path(token, files[i]);
                struct stat st;

                /* Without memory nothing can be said. */
                if (!path || !token->store.files[i].ino)
                        continue;
                if (stat(path, &st) < 0)
                        return errno == ENOMEM ? 0 : refuse_access(path, errno, failure);
                if (st.st_dev != token->store.files[i].dev || st.st_ino != token->store.files[i].ino)
                        return failure_set(failure, WORKER_END_STORE, 0,
                                "%s is not the file that was opened, but another", path);
        }
        return 0;
}
