/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A token's jobs, from token_submit() to their end: what waits, and what a deadline does to it; token-pump.c sends them. Called by
 * methods, by the control and by worker.c. Never waits for anything.
 */
#include "daemon/broker/token.h"

#include <limits.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/copies.h"

/* A miss asks for at most one refresh in this time. */
#define MISS_USEC USEC_PER_SEC

int token_new(struct broker *broker, const struct config_token *config, struct token **ret)
{
        struct token *token = calloc(1, sizeof(*token));

        if (!token)
                return -ENOMEM;
        link_init(&token->link);
        link_init(&token->first);
        link_init(&token->waiting);
        link_init(&token->paused);
        link_init(&token->unsettled);
        link_init(&token->away);
        link_init(&token->copies);
        link_init(&token->worker.out);
        queue_init(&token->queue);
        token->broker = broker;
        token->config = config;
        token->state = TOKEN_STARTING;
        token->since_usec = wall_usec();
        token->worker.fd = token->look.fd = -1;
        token->refresh_due_usec = USEC_NEVER;
        token->name = strdup(config->name);
        token->reason = strdup("");
        if (!token->name || !token->reason) {
                token_free(token);
                return -ENOMEM;
        }
        *ret = token;
        return 0;
}

/* Ends those that are in the list now. Whoever waited for one may put others into it, or take some away: what is to end is taken
 * out of the list first. */
static void end_list(struct token *token, struct link *list, enum job_end end)
{
        struct link ending;

        link_init(&ending);
        link_append_all(&ending, list);
        while (!link_is_empty(&ending))
                token_end(token, LINK_OF(ending.next, struct job, link), end);
}

void token_free(struct token *token)
{
        if (!token)
                return;
        token_end_waiting(token, JOB_REMOVED);
        end_list(token, &token->unsettled, JOB_OUTCOME_UNKNOWN);
        while (!link_is_empty(&token->worker.out)) {
                struct job *job = LINK_OF(token->worker.out.next, struct job, link);

                /* The worker has it: what it changes may be done by now. */
                token_end(token, job, job_changes(job) ? JOB_OUTCOME_UNKNOWN : JOB_REMOVED);
        }
        end_list(token, &token->away, JOB_REMOVED);
        copies_abandon(token);
        worker_detach(token);
        look_forget(token);
        claims_done(&token->claims);
        queue_done(&token->queue);
        directory_free(token->directory);
        directory_free(token->loading);
        link_remove(&token->link);
        free(token->label);
        free(token->manufacturer);
        free(token->model);
        free(token->serial);
        free(token->mechanisms);
        free(token->reason);
        free(token->name);
        free(token);
}

/* ---- the end of a job ---- */

static bool end_is_error(enum job_end end)
{
        return end == JOB_CKR || end == JOB_UNAVAILABLE || end == JOB_DEADLINE ||
               end == JOB_DEADLINE_EXECUTED || end == JOB_WORKER_LOST || end == JOB_OUTCOME_UNKNOWN;
}

void token_answer_job(struct token *token, struct job *job, const struct job_result *result)
{
        void (*done)(struct job *, const struct job_result *) = job->done;

        job->done = NULL;
        if (!done)
                return;
        if (job_is_request(job)) {
                histogram_add(&token->whole, now_usec() - job->begun_usec);
                token->errors += end_is_error(result->end);
        }
        done(job, result);
}

static void job_take_out(struct token *token, struct job *job)
{
        if (job->place == JOB_QUEUED)
                queue_remove(&token->queue, &job->item);
        link_remove(&job->link);
        if (job->place == JOB_WAITING)
                token->n_waiting--;
        if (job->place == JOB_OUT) {
                token->worker.n_out--;
                if (job->kind == JOB_REFRESH)
                        token->worker.refresh_out = false;
                else if (job_changes(job))
                        token->worker.slow_out = false;
        }
        job->place = JOB_NOWHERE;
        token->dirty = token->broker->tokens_dirty = true;
}

/* The job ends before its trial does. Its record needs the input, which the trial has. */
static void end_trial(struct job *job)
{
        struct job *trial = TAKE_PTR(job->trial);

        job_move_data(job, trial);
        token_cancel(trial);
}

void token_end_job(struct token *token, struct job *job, const struct job_result *result)
{
        job_take_out(token, job);
        if (job->trial)
                end_trial(job);
        if (job->reservation)
                queue_release(job->reservation);
        if (job->suspect)
                token->n_suspects--;
        token_answer_job(token, job, result);
        audit_job_over(job, result);
        job_free(job);
}

void token_end(struct token *token, struct job *job, enum job_end end)
{
        token_end_job(token, job, &(struct job_result){.end = end});
}

void token_cancel(struct job *job)
{
        struct token *token = job->token;

        job->done = NULL;
        job->trial_of = NULL;
        if (job->place != JOB_OUT && job->place != JOB_UNSETTLED)
                token_end(token, job, job->place == JOB_AWAY ? JOB_OUTCOME_UNKNOWN : JOB_DROPPED);
}

void token_end_waiting(struct token *token, enum job_end end)
{
        struct queue_item *item;
        struct link queued;

        link_init(&queued);
        while ((item = queue_any(&token->queue))) {
                queue_remove(&token->queue, item);
                link_append(&queued, &LINK_OF(item, struct job, item)->link);
        }
        end_list(token, &queued, end);
        end_list(token, &token->first, end);
        end_list(token, &token->paused, end);
        end_list(token, &token->waiting, end);
}

void token_wake_lookups(struct token *token)
{
        end_list(token, &token->waiting, JOB_OK);
}

void token_set_state(struct token *token, const struct message_token *message)
{
        char *reason = strdup(message->reason);

        if (reason) {
                free(token->reason);
                token->reason = reason;
        }
        /* But for a token that is full, the one way there is a PIN that was refused, or must not be tried; a broker before this one
         * may have recorded it. */
        if (message->state == TOKEN_FAILED && !token->full && token->state != TOKEN_FAILED &&
                message->since_usec >= token->broker->begun_usec)
                audit_login(token, false, message->reason);
        token->state = message->state;
        token->since_usec = message->since_usec;
        token->restarts = message->restarts;
        if (token->state == TOKEN_FAILED)
                token_give_up(token);
}

void token_give_up(struct token *token)
{
        /* What the last directory can answer, it does. */
        if (token->directory)
                token_wake_lookups(token);
        token_end_waiting(token, JOB_UNAVAILABLE);
        end_list(token, &token->unsettled, JOB_OUTCOME_UNKNOWN);
}

/* ---- waiting ---- */

/* A reload may have taken the instance away: what it was let do goes on. */
static unsigned weight_of(const struct job *job)
{
        return job->instance->config ? job->instance->config->weight : 1;
}

static unsigned max_queued_of(const struct job *job)
{
        return job->instance->config ? job->instance->config->max_queued : UINT_MAX;
}

static void queue_job(struct token *token, struct job *job)
{
        int r = queue_push(&token->queue, job->instance, weight_of(job), max_queued_of(job), &job->item);

        if (r != 0)
                token_end(token, job, r < 0 ? JOB_NO_MEMORY : JOB_FULL);
        else
                job->place = JOB_QUEUED;
}

static void wait_lookup(struct token *token, struct job *job)
{
        int r = queue_reserve(
                &token->queue, job->instance, weight_of(job), max_queued_of(job), &job->reservation);

        if (r != 0) {
                token_end(token, job, r < 0 ? JOB_NO_MEMORY : JOB_FULL);
                return;
        }
        job->place = JOB_WAITING;
        link_append(&token->waiting, &job->link);
        token->n_waiting++;
}

void token_put_first(struct token *token, struct job *job)
{
        job->place = JOB_FIRST;
        link_append(&token->first, &job->link);
}

void token_submit(struct token *token, struct job *job)
{
        job->token = token;
        if (job_is_request(job))
                token->requests++;
        if (!token_has_hope(token) || (job->kind == JOB_PROBE && token->worker.phase != WORKER_SERVING)) {
                token_end(token, job, JOB_UNAVAILABLE);
                return;
        }
        broker_arm(token->broker, job->deadline_usec);
        if (job->kind == JOB_LOOKUP)
                wait_lookup(token, job);
        else if (!job_is_request(job) || !job->instance)
                token_put_first(token, job);
        else
                queue_job(token, job);
        /* At once, so that what a free session takes does not count as waiting. */
        token_pump(token);
}

/* ---- claims of other hosts ---- */

/* The first pause is about PAUSE_USEC; each is twice the one before, up to PAUSE_MAX_USEC. */
#define PAUSE_USEC     (50 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (2 * USEC_PER_SEC)

/* At random, so that two hosts do not meet again and again: half of it to one and a half. */
static uint64_t pause_usec(unsigned n_claimed)
{
        uint64_t usec = n_claimed < 6 ? PAUSE_USEC << (n_claimed - 1) : PAUSE_MAX_USEC;
        uint32_t random;

        usec = MIN_OF(usec, PAUSE_MAX_USEC);
        /* Where there is none, half of the range will do: the worker draws at random too. */
        if (getrandom(&random, sizeof(random), 0) < 0)
                random = UINT32_MAX / 2;
        return usec / 2 + usec * random / UINT32_MAX;
}

/* Its place in its instance's queue stays taken, whatever the limit says by now. One that nobody waits for any more is
 * given up: it has changed nothing. */
void token_pause(struct token *token, struct job *job)
{
        job_take_out(token, job);
        if (!job->done) {
                token_end(token, job, JOB_DROPPED);
                return;
        }
        if (queue_reserve(&token->queue, job->instance, weight_of(job), UINT_MAX, &job->reservation) != 0) {
                token_end(token, job, JOB_NO_MEMORY);
                return;
        }
        job->n_claimed++;
        job->resume_usec = now_usec() + pause_usec(job->n_claimed);
        job->place = JOB_PAUSED;
        link_append(&token->paused, &job->link);
        broker_arm(token->broker, job->resume_usec);
}

static void resume_job(struct token *token, struct job *job)
{
        job_take_out(token, job);
        queue_release(job->reservation);
        job->reservation = NULL;
        if (queue_push(&token->queue, job->instance, weight_of(job), UINT_MAX, &job->item) != 0)
                token_end(token, job, JOB_NO_MEMORY);
        else
                job->place = JOB_QUEUED;
}

bool token_refresh(struct token *token)
{
        if (!token_has_hope(token))
                return false;
        token->refresh_wanted = true;
        token->dirty = token->broker->tokens_dirty = true;
        return true;
}

bool token_missed(struct token *token)
{
        if (!token->directory || token->worker.phase != WORKER_SERVING)
                return token_has_hope(token);
        if (token->worker.refresh_out || token->refresh_wanted)
                return true;
        if (now_usec() - token->refresh_sent_usec < MISS_USEC)
                return false;
        token->refresh_wanted = true;
        return true;
}

void token_missed_again(struct token *token)
{
        if (++token->misses >= 2)
                look_please(token);
}

bool token_has_mechanism(const struct token *token, uint64_t mechanism)
{
        for (size_t i = 0; i < token->n_mechanisms; i++)
                if (token->mechanisms[i] == mechanism)
                        return true;
        return false;
}

unsigned token_retry_ms(const struct token *token)
{
        uint64_t threads = MAX_OF(token->worker.threads, 1U);
        uint64_t ms = (token->queue.n + token->worker.n_out) * token->latency_usec / threads / USEC_PER_MSEC;

        return (unsigned)MIN_OF(MAX_OF(ms, UINT64_C(1)), UINT64_C(5000));
}

size_t token_queued(const struct token *token)
{
        size_t n = token->queue.n + token->n_waiting;

        LINK_FOREACH(first, (struct link *)(uintptr_t)&token->first)
        {
                n++;
        }
        LINK_FOREACH(paused, (struct link *)(uintptr_t)&token->paused)
        {
                n++;
        }
        LINK_FOREACH(unsettled, (struct link *)(uintptr_t)&token->unsettled)
        {
                n++;
        }
        return n;
}

/* ---- time ---- */

/* Jobs are not ended while their list is gone through: whoever waits for one may change the list. */
struct tick {
        struct token *token;
        uint64_t now, next;
        struct link late, resumed; /* taken out of their lists: to be ended, to be queued again */
};

/* What a deadline says of a job that was not sent. */
static enum job_end late_end(const struct token *token)
{
        return token->worker.phase == WORKER_SERVING ? JOB_DEADLINE : JOB_UNAVAILABLE;
}

static void move_job(struct job *job, struct link *list)
{
        link_remove(&job->link);
        link_append(list, &job->link);
}

static void tick_waiting(struct tick *tick, struct job *job)
{
        if (job->deadline_usec <= tick->now)
                move_job(job, &tick->late);
        else
                tick->next = MIN_OF(tick->next, job->deadline_usec);
}

static void tick_paused(struct tick *tick, struct job *job)
{
        tick_waiting(tick, job);
        if (job->deadline_usec <= tick->now)
                return;
        if (job->resume_usec <= tick->now)
                move_job(job, &tick->resumed);
        else
                tick->next = MIN_OF(tick->next, job->resume_usec);
}

static void tick_queued(struct queue_item *item, void *userdata)
{
        struct tick *tick = userdata;
        struct job *job = LINK_OF(item, struct job, item);

        if (job->deadline_usec <= tick->now)
                queue_remove(&tick->token->queue, item);
        tick_waiting(tick, job);
}

/* The first in the list that somebody has waited for too long; NULL: nobody has. */
static struct job *late_out(struct tick *tick, struct link *list)
{
        LINK_FOREACH(at, list)
        {
                struct job *job = LINK_OF(at, struct job, link);

                if (job->done && job->deadline_usec <= tick->now)
                        return job;
                if (job->done)
                        tick->next = MIN_OF(tick->next, job->deadline_usec);
        }
        return NULL;
}

/* One that is out, or to be settled, stays: only who waits for it is told. */
static void tick_out(struct tick *tick, struct link *list)
{
        struct job *job;

        while ((job = late_out(tick, list))) {
                bool unsettled = job->place == JOB_UNSETTLED || job->settling;

                token_answer_job(tick->token, job,
                        &(struct job_result){.end = unsettled ? JOB_OUTCOME_UNKNOWN : JOB_DEADLINE_EXECUTED});
        }
}

uint64_t token_tick(struct token *token, uint64_t now)
{
        struct tick tick = {.token = token, .now = now, .next = USEC_NEVER};

        link_init(&tick.late);
        link_init(&tick.resumed);
        queue_each(&token->queue, tick_queued, &tick);
        LINK_FOREACH_SAFE(at, &token->first)
        {
                tick_waiting(&tick, LINK_OF(at, struct job, link));
        }
        LINK_FOREACH_SAFE(paused, &token->paused)
        {
                tick_paused(&tick, LINK_OF(paused, struct job, link));
        }
        LINK_FOREACH_SAFE(waiting, &token->waiting)
        {
                tick_waiting(&tick, LINK_OF(waiting, struct job, link));
        }
        end_list(token, &tick.late, late_end(token));
        while (!link_is_empty(&tick.resumed))
                resume_job(token, LINK_OF(tick.resumed.next, struct job, link));
        tick_out(&tick, &token->unsettled);
        tick_out(&tick, &token->worker.out);
        if (token->refresh_due_usec <= now) {
                token->refresh_wanted = true;
                token->refresh_due_usec = now + token->config->refresh_usec;
        }
        token_pump(token);
        return MIN_OF(MIN_OF(tick.next, token->refresh_due_usec), look_tick(token, now));
}
