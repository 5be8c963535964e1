/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The marks: what says that an internal token was made, so that it is not made again when its databases are not there. They lie
 * in a directory beside StateDirectory= (its path and ".made"), and not in it: a volume that is lost or not mounted has nothing
 * that could say so. One file for each directory of databases, by its path, so that a section which gets another name is still the
 * same token. Written by store.c alone; tokend-doctor reads it.
 */
#pragma once

#include <stdbool.h>

#include "daemon/config/config.h"

enum mark_state {
        MARK_NONE = 0,
        MARK_MAKING, /* its making was begun: half of it may be there */
        MARK_MADE,
};

struct mark {
        enum mark_state state;
        char since[32]; /* when it was set, ISO 8601; empty where it does not say */
};

/* What is known of the databases in that directory. -errno: it cannot be told. */
int mark_read(const char *state_directory, const char *directory, struct mark *ret);

/* Puts the mark there, on the disk, in the place of what it was. -errno. */
int mark_write(const char *state_directory, const struct config_token *token, enum mark_state state);

/* The directory of a token that was made and that no section has any more, with databases in it; NULL: there is none, or it cannot be
 * told. The caller frees. */
char *mark_orphan(const struct config *config);
