/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The life of a token, as docs/lifecycle.md describes it: which state it is in and why, and when its next worker
 * starts. Pure: processes, descriptors and the clock are the caller's.
 *
 *             started           up            serving
 *   WAITING ────────▶ STARTING ────▶ UP ────────────▶ SERVING
 *      ▲                  │            │                 │
 *      └──────────────────┴─ reaped ───┴─────────────────┘   (PIN: to FAILED, out of which only renew() leads)
 */
#pragma once

#include <stdbool.h>

#include "daemon/channel/message.h"
#include "daemon/util/macros.h"

/* A sentence for people, with its NUL. */
#define REASON_SIZE 256U

enum life_phase {
        LIFE_WAITING = 0, /* no worker; one starts at wake_usec */
        LIFE_STARTING,    /* a worker that has not said UP; overdue at wake_usec */
        LIFE_UP,          /* logged in; the broker has not got its directory */
        LIFE_SERVING,
        LIFE_FAILED, /* no worker, and none by itself */
};

struct moment {
        uint64_t now_usec;  /* CLOCK_MONOTONIC, for deadlines */
        uint64_t wall_usec; /* for people */
};

struct life {
        enum life_phase phase;
        enum token_state state;
        char reason[REASON_SIZE]; /* of the state; empty where there is nothing to say */
        uint64_t since_usec;      /* wall clock: when the state began */
        uint64_t wake_usec;       /* USEC_NEVER: nothing is due by itself */
        unsigned n_started;       /* in all */
        unsigned n_vain;          /* in a row that never served */
        unsigned n_overdue;       /* in a row that took too long to be up */
        unsigned n_short;         /* in a row that served, but not for long */
        uint64_t served_usec;     /* since when this worker serves */
        bool directory;           /* the broker has its directory */
        bool served;              /* this worker, ever */
        bool renewed;             /* the section changed: the next starts at once, as if it were the first */
        uint8_t end;              /* enum worker_end of this worker; 0: nothing was said yet */
};

/* A token that has not been started: its first worker is due at once. */
void life_init(struct life *life, struct moment at);

/* A worker was started. It is overdue where it is not up after start_timeout_usec, which doubles (up to 64 times)
 * with each worker in a row that was: a device that is merely slow gets there. */
void life_started(struct life *life, struct moment at, uint64_t start_timeout_usec);
/* The two come over different channels, in either order; with both it serves. */
void life_up(struct life *life, struct moment at);
void life_serving(struct life *life, struct moment at);

/* The worker's own last words, or the broker's that the token is full. Of several words on one end the first counts, but those
 * after which no worker starts always. */
void life_ending(struct life *life, struct moment at, enum worker_end end, const char *reason);
/* The supervisor ends the worker, for that reason. overdue: because it was. */
void life_condemned(struct life *life, struct moment at, bool overdue, const char *reason);
/* The worker is gone (or could not be started); reason counts where nothing was said before. */
void life_reaped(struct life *life, struct moment at, const char *reason);

/* No worker may start, for that reason: none does until renew(). */
void life_fail(struct life *life, struct moment at, const char *reason);

/* The section or the PIN is another: a failed token starts again, a waiting one at once; what runs is the caller's
 * to end. */
void life_renew(struct life *life, struct moment at);

/* Whether a worker is there, or was until it is reaped. */
static inline bool life_runs(const struct life *life)
{
        return life->phase == LIFE_STARTING || life->phase == LIFE_UP || life->phase == LIFE_SERVING;
}

/* Workers started beyond the first. */
static inline unsigned life_restarts(const struct life *life)
{
        return life->n_started > 0 ? life->n_started - 1 : 0;
}

/* Copies what a less trusted process said into ret: whole characters of UTF-8, no control characters, cut where it is
 * too long. */
void reason_copy(char ret[static REASON_SIZE], const char *text);

/* Microseconds until the next try after n vain ones in a row: 50 ms, doubling to 5 s. */
uint64_t backoff_usec(unsigned n_vain);
