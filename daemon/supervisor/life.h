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
        LIFE_WAITING = 0, /* there is no worker; the next one starts at wake_usec */
        LIFE_STARTING,    /* the worker has not said UP; it is overdue at wake_usec */
        LIFE_UP,          /* the worker is logged in; the broker does not have its directory yet */
        LIFE_SERVING,
        LIFE_FAILED,   /* there is no worker, and only life_renew() leads to one */
        LIFE_DISABLED, /* likewise: an operator wants none */
};

struct moment {
        uint64_t now_usec;  /* CLOCK_MONOTONIC, for deadlines */
        uint64_t wall_usec; /* for people */
};

static inline struct moment moment_now(void)
{
        return (struct moment){.now_usec = now_usec(), .wall_usec = wall_usec()};
}

struct life {
        enum life_phase phase;
        enum token_state state;
        char reason[REASON_SIZE]; /* of the state; may be empty */
        uint64_t since_usec;      /* wall clock: when the state began */
        uint64_t wake_usec;       /* when the next step is due; USEC_NEVER */
        unsigned n_restarts;      /* workers beyond the first, without looks */
        unsigned n_vain;          /* workers in a row that never served */
        unsigned n_overdue;   /* workers in a row that took too long to log in, or hung in a call before */
        unsigned n_short;     /* workers in a row that served only shortly */
        uint64_t served_usec; /* since when this worker serves */
        bool directory;       /* the broker has the directory of this worker */
        bool served;          /* this worker has served */
        uint64_t seek_usec;   /* when the first look of those in a row was over; 0: there was none */
        bool seeks;           /* the next worker is a look: the one before found no device to serve with */
        bool renewed;  /* the section changed: the next worker starts at once, as if it were the first */
        bool replaced; /* the broker wanted it to be replaced */
        bool disabled; /* none is to follow this worker */
        uint8_t end;   /* enum worker_end of this worker; 0: not known yet */
};

/* A token that has not been started: its first worker is due at once. */
void life_init(struct life *life, struct moment at);

/* A worker was started. It is overdue if it is not logged in after start_timeout_usec. That time doubles (up to 64 times) with
 * each worker in a row that was overdue, so that a slow device succeeds in the end. */
void life_started(struct life *life, struct moment at, uint64_t start_timeout_usec);
/* The worker is logged in; the broker has its directory. These come over different channels, in either order. With both it
 * serves. */
void life_up(struct life *life, struct moment at);
void life_serving(struct life *life, struct moment at);

/* Why the worker ends: it said so itself, or the broker says that the token has too many objects. Of several reasons for one end
 * the first counts; but a reason after which no worker may start counts always. */
void life_ending(struct life *life, struct moment at, enum worker_end end, const char *reason);
/* The supervisor ends the worker, for that reason. overdue: because it was not logged in in time. */
void life_condemned(struct life *life, struct moment at, bool overdue, const char *reason);
/* Likewise, because the broker wants another worker. */
void life_replaced(struct life *life, struct moment at, const char *reason);
/* The worker is gone, or could not be started. reason counts if no other reason is known. */
void life_reaped(struct life *life, struct moment at, const char *reason);

/* The worker serves, and people should know this of it: a reason for the state `ready`. */
void life_remark(struct life *life, const char *reason);

/* No worker may start, for that reason, until life_renew(). */
void life_fail(struct life *life, struct moment at, const char *reason);

/* The section or the PIN has changed: a worker starts at once. If one runs, the caller ends it: at once, or if finish_usec > 0
 * when it has finished what it has to do, at wake_usec (in finish_usec, though the section changes again) at the latest. */
void life_renew(struct life *life, struct moment at, uint64_t finish_usec);

/* No worker may start before life_renew(), because an operator says so: that is the reason. If one runs, the caller ends it, as in
 * life_renew(). */
void life_disable(struct life *life, struct moment at, uint64_t finish_usec, const char *reason);

/* A worker of another section, which was started beside this one, serves in its place: its life goes on as this one. */
void life_succeed(struct life *life, const struct life *newcomer);

/* Whether there is a worker that was not reaped yet. */
static inline bool life_runs(const struct life *life)
{
        return life->phase == LIFE_STARTING || life->phase == LIFE_UP || life->phase == LIFE_SERVING;
}

/* What a start may take is doubled so often, because those before it were too slow. */
unsigned life_patience(const struct life *life);

/* Workers started beyond the first, but for those that only looked whether a device is back. */
static inline unsigned life_restarts(const struct life *life)
{
        return life->n_restarts;
}

/* Microseconds until the next try after n failed ones in a row: 50 ms, doubling up to 5 s. */
uint64_t backoff_usec(unsigned n_vain);
