/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The configuration. The supervisor reads and checks the files; the result is a snapshot that never changes. The other
 * processes get it as text (config_format()), with users and groups already as numbers, and read it with the same code, so
 * that none of them opens a file. docs/configuration.md says what is stable; tokend.conf(5) explains each key.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/util/macros.h"
#include "gen/config/rights.h"

enum audit_mode {
        AUDIT_MODE_NONE,
        AUDIT_MODE_JOURNAL,
        AUDIT_MODE_FILE,
};

enum token_role {
        ROLE_KEYS,
        ROLE_ACCELERATOR,
};

/* SessionCopies=: whether a private key is used through a session copy. */
enum session_copies {
        SESSION_COPIES_AUTO, /* where that pays */
        SESSION_COPIES_YES,
        SESSION_COPIES_NO,
};

struct config_token {
        char *name;
        char *module;       /* a path, or "internal" */
        char *uri;          /* NULL: the only slot with a token */
        char *pin;          /* file:PATH or credential:NAME; NULL: not set */
        char *directory;    /* of the NSS databases; set for internal tokens only */
        char **environment; /* NAME=VALUE, NULL at the end; never NULL itself, like every list here */
        unsigned sessions;
        uint64_t timeout_usec, generate_timeout_usec, start_timeout_usec, refresh_usec, keep_alive_usec;
        unsigned role;           /* enum token_role */
        unsigned session_copies; /* enum session_copies */
        char *accelerator;       /* the name of another token, or NULL */
        unsigned accelerated_keys;
        char *place; /* FILE:LINE of its head; NULL: it is in no file. Not part of what is formatted or compared */
};

struct config_instance {
        char *name;
        uid_t user;  /* (uid_t) -1: any */
        gid_t group; /* (gid_t) -1: any */
        char *unit;  /* NULL: any */
        char *token; /* its own token; NULL: it may use every token, and the first is its own */
        char **other_tokens;
        char **keys;    /* globs, fnmatch(3) without flags */
        unsigned allow; /* mask of enum config_right */
        unsigned weight, max_queued, max_connections;
};

struct config {
        char *socket, *status_socket, *state_directory;
        char *audit; /* the value of Audit=: config_audit_mode() and config_audit_path() read it */
        unsigned audit_required; /* 0 or 1 */
        char *audit_key;         /* token:nickname; NULL: not set */
        uint64_t audit_sign_interval_usec;
        uint64_t audit_rotate_size;   /* bytes */
        unsigned audit_keep;          /* days that old files are kept; 0: all are kept */
        uint64_t max_memory;          /* bytes that all clients together may take of the broker */
        struct config_token **tokens; /* at least one: without any [Token], the default token */
        size_t n_tokens;
        bool default_token; /* there was no [Token]; only config_load() and config_parse() of files say it */
        struct config_instance **instances; /* none: root and the daemon's own user may do everything */
        size_t n_instances;
};

/* Reads path, then path.d/<name>.conf in the order of the names. Every fault is one call of report, with `FILE:LINE: text`.
 * Waits for nothing but the user database. 1: there were faults. -errno: path itself could not be read (reported too), or
 * memory is short. The caller frees. */
int config_load(const char *path, void (*report)(void *userdata, const char *line), void *userdata,
        struct config **ret);

/* The same for --check: if path is /dev/stdin or /dev/fd/N, a pipe is read to its end. */
int config_check(const char *path, void (*report)(void *userdata, const char *line), void *userdata,
        struct config **ret);

/* The same from text in memory (name stands for FILE), with nothing read from disk: users and groups are numbers. */
int config_parse(const char *name, const char *text, size_t length,
        void (*report)(void *userdata, const char *line), void *userdata, struct config **ret);

/* A text that config_parse() reads to an equal configuration: defaults spelled out, users and groups as
 * numbers. -ENOMEM. The caller frees. */
int config_format(const struct config *config, char **ret);

/* Into a sealed memfd, and out of one. The caller closes, frees. -errno; a text with faults is -EBADMSG. Its sections may be of
 * several readings, so that an accelerator that one names may not be there. */
int config_to_memfd(const struct config *config, int *ret_fd);
int config_from_memfd(int fd, struct config **ret);

/* NULL is fine. */
void config_free(struct config *config);
/* Of a section that was taken out of its configuration, where NULL may stand for it until that is freed. */
void config_token_free(struct config_token *token);
DEFINE_CLEANUP(struct config *, config_free);

/* NULL where there is none. */
const struct config_token *config_token(const struct config *config, const char *name);

enum audit_mode config_audit_mode(const struct config *config);
/* With AUDIT_MODE_FILE; else NULL. */
const char *config_audit_path(const struct config *config);

/* Whether every key of the two sections is the same: then a reload keeps the worker. */
bool config_token_equal(const struct config_token *a, const struct config_token *b);

/* The name of one right, as in Allow=. */
const char *config_right_name(unsigned right);
/* 0: there is no such right. */
unsigned config_right_from_name(const char *name);

/* "keys" or "accelerator", as in the files and on the wire. */
const char *config_role_name(unsigned role);

/* "auto", "yes" or "no". */
const char *config_session_copies_name(unsigned session_copies);
