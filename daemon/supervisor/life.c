/* SPDX-License-Identifier: MPL-2.0 */
/* See life.h. */
#include "daemon/supervisor/life.h"

#include <string.h>

#include "daemon/util/printable.h"

/* The back-off (docs/lifecycle.md), and how often an absent device is asked. */
#define BACKOFF_MIN_USEC (50 * USEC_PER_MSEC)
#define BACKOFF_MAX_USEC (5 * USEC_PER_SEC)
#define ABSENT_USEC      (500 * USEC_PER_MSEC)
/* One that is absent for long is asked less often: each time after a hundredth of how long it is absent. */
#define ABSENT_PART     100U
#define ABSENT_MAX_USEC (5 * USEC_PER_SEC)

#define OVERDUE_DOUBLINGS 6U

/* A worker that served for less than this is short-lived; so many of them in a row are replaced at once. */
#define SHORT_USEC  USEC_PER_SEC
#define SHORT_LIVES 10U
/* The same for one that the broker wanted to be replaced: who took the broker over must not make workers log in all the time. */
#define SHORT_REPLACED_USEC (10 * USEC_PER_SEC)

uint64_t backoff_usec(unsigned n_vain)
{
        return n_vain < 7 ? BACKOFF_MIN_USEC << n_vain : BACKOFF_MAX_USEC;
}

static void set_state(struct life *life, struct moment at, enum token_state state, const char *reason)
{
        if (life->state != state)
                life->since_usec = at.wall_usec;
        life->state = state;
        /* It may be the text of a less trusted process. */
        (void)printable_copy(life->reason, REASON_SIZE, reason, strlen(reason));
}

void life_init(struct life *life, struct moment at)
{
        /* The first worker restarts nothing. */
        *life = (struct life){.wake_usec = at.now_usec, .seeks = true};
        set_state(life, at, TOKEN_STARTING, "");
}

unsigned life_patience(const struct life *life)
{
        return MIN_OF(life->n_overdue, OVERDUE_DOUBLINGS);
}

void life_started(struct life *life, struct moment at, uint64_t start_timeout_usec)
{
        life->phase = LIFE_STARTING;
        life->served = life->renewed = life->replaced = life->directory = life->disabled = false;
        life->end = 0;
        life->n_restarts += !life->seeks;
        life->seeks = false;
        life->wake_usec = at.now_usec + (start_timeout_usec << life_patience(life));
}

static void serve(struct life *life, struct moment at)
{
        life->phase = LIFE_SERVING;
        life->served = true;
        life->served_usec = at.now_usec;
        life->n_vain = life->n_overdue = 0;
        life->seek_usec = 0;
        set_state(life, at, TOKEN_READY, "");
}

void life_up(struct life *life, struct moment at)
{
        if (life->phase != LIFE_STARTING || life->end || life->renewed || life->disabled)
                return;
        life->phase = LIFE_UP;
        life->wake_usec = USEC_NEVER;
        /* What was gone is there again: requests may wait for it. */
        if (life->state == TOKEN_FAILED)
                set_state(life, at, TOKEN_STARTING, "");
        if (life->directory)
                serve(life, at);
}

void life_serving(struct life *life, struct moment at)
{
        /* It changes nothing for a worker that is ending. A new broker says it of every worker again. */
        if (life->end || life->renewed || life->disabled)
                return;
        if (life->phase == LIFE_STARTING)
                life->directory = true;
        else if (life->phase == LIFE_UP)
                serve(life, at);
}

/* Whether only another section, PIN or a reload can help. */
static bool is_final(unsigned end)
{
        return end == WORKER_END_PIN || end == WORKER_END_FULL;
}

static enum token_state state_after(unsigned end)
{
        return is_final(end) || end == WORKER_END_STORE ? TOKEN_FAILED : TOKEN_RECOVERING;
}

void life_ending(struct life *life, struct moment at, enum worker_end end, const char *reason)
{
        /* The reasons of a worker that is replaced are about the old section. */
        if (!life_runs(life) || life->renewed || life->disabled)
                return;
        if (is_final(life->end) || (life->end && !is_final(end)))
                return;
        if (end == WORKER_END_HUNG && life->phase == LIFE_STARTING)
                life->n_overdue++;
        life->end = (uint8_t)end;
        life->wake_usec = USEC_NEVER;
        set_state(life, at, state_after(end), reason);
}

void life_replaced(struct life *life, struct moment at, const char *reason)
{
        life->replaced = true;
        life_condemned(life, at, false, reason);
}

void life_condemned(struct life *life, struct moment at, bool overdue, const char *reason)
{
        if (overdue)
                life->n_overdue++;
        life_ending(life, at, WORKER_END_ERROR, reason);
}

/* A worker that served is replaced at once. If workers die again and again as soon as they serve, there is a back-off. */
static uint64_t wait_usec(struct life *life, struct moment at)
{
        life->seeks = !life->served && (life->end == WORKER_END_ABSENT || life->end == WORKER_END_DEVICE ||
                                               life->end == WORKER_END_STORE);
        if (life->seeks && life->seek_usec == 0)
                life->seek_usec = at.now_usec;
        if (life->seeks)
                return MIN_OF(
                        MAX_OF((at.now_usec - life->seek_usec) / ABSENT_PART, ABSENT_USEC), ABSENT_MAX_USEC);
        if (life->end == WORKER_END_ABSENT)
                return ABSENT_USEC;
        if (!life->served)
                return backoff_usec(life->n_vain++);
        if (at.now_usec - life->served_usec < (life->replaced ? SHORT_REPLACED_USEC : SHORT_USEC))
                life->n_short++;
        else
                life->n_short = 0;
        return life->n_short > SHORT_LIVES ? backoff_usec(life->n_short - SHORT_LIVES - 1) : 0;
}

void life_reaped(struct life *life, struct moment at, const char *reason)
{

        if (!life_runs(life))
                return;
        if (!life->end)
                life_ending(life, at, WORKER_END_ERROR, reason);
        if (life->disabled) {
                life->phase = LIFE_DISABLED;
                life->wake_usec = USEC_NEVER;
                return;
        }
        if (life->renewed) {
                life->phase = LIFE_WAITING;
                life->wake_usec = at.now_usec;
                return;
        }
        if (is_final(life->end)) {
                life->phase = LIFE_FAILED;
                life->wake_usec = USEC_NEVER;
                return;
        }
        life->phase = LIFE_WAITING;
        life->wake_usec = at.now_usec + wait_usec(life, at);
}

void life_remark(struct life *life, const char *reason)
{
        if (life->state == TOKEN_READY)
                (void)printable_copy(life->reason, REASON_SIZE, reason, strlen(reason));
}

void life_fail(struct life *life, struct moment at, const char *reason)
{
        life->phase = LIFE_FAILED;
        life->end = WORKER_END_PIN;
        life->wake_usec = USEC_NEVER;
        set_state(life, at, TOKEN_FAILED, reason);
}

/* One that runs is to end: at once, or when it has finished what it has, in finish_usec at the latest. */
static void let_finish(struct life *life, struct moment at, uint64_t finish_usec)
{
        if (finish_usec == 0)
                life->wake_usec = USEC_NEVER;
        else if (!life->renewed && !life->disabled)
                life->wake_usec = at.now_usec + finish_usec;
}

void life_renew(struct life *life, struct moment at, uint64_t finish_usec)
{
        life->n_vain = life->n_overdue = life->n_short = 0;
        life->seeks = false;
        life->seek_usec = 0;
        set_state(life, at, TOKEN_STARTING, "");
        if (life_runs(life)) {
                let_finish(life, at, finish_usec);
                life->renewed = true;
                life->disabled = false;
                return;
        }
        life->phase = LIFE_WAITING;
        life->wake_usec = at.now_usec;
}

void life_disable(struct life *life, struct moment at, uint64_t finish_usec, const char *reason)
{
        set_state(life, at, TOKEN_DISABLED, reason);
        if (life_runs(life)) {
                let_finish(life, at, finish_usec);
                life->renewed = false;
                life->disabled = true;
                return;
        }
        life->phase = LIFE_DISABLED;
        life->wake_usec = USEC_NEVER;
}

void life_succeed(struct life *life, const struct life *newcomer)
{
        unsigned n_restarts = life->n_restarts + 1 + newcomer->n_restarts;
        uint64_t since_usec = life->state == newcomer->state ? life->since_usec : newcomer->since_usec;

        *life = *newcomer;
        life->wake_usec = USEC_NEVER;
        life->n_restarts = n_restarts;
        life->since_usec = since_usec;
}
