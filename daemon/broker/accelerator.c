/* SPDX-License-Identifier: MPL-2.0 */
/* See accelerator.h. */
#include "daemon/broker/accelerator.h"

#include "daemon/broker/broker.h"
#include "daemon/broker/copies.h"
#include "daemon/util/algorithm.h"

/* What a trial may take: so many times what the accelerator has taken lately for what is before it and itself, at
 * least so long (a machine under load may stand still for that), and never more than half of what is left. */
#define SHARE_TIMES    16U
#define SHARE_MIN_USEC (250U * USEC_PER_MSEC)
/* With less than this part of its share one trial that is late tells nothing of the accelerator; as many as it has threads, with
 * nothing heard meanwhile, do. */
#define HURRIED_PART 4U

/* ---- which ---- */

static bool is_accelerator(const struct token *token)
{
        return token->config->role == ROLE_ACCELERATOR;
}

static bool can_take(const struct token *token)
{
        const struct worker *worker = &token->worker;

        return is_accelerator(token) && token->state == TOKEN_READY && worker->phase == WORKER_SERVING &&
               !worker->ending && !worker->retiring && !worker->stalled;
}

static bool has_means(const struct token *token, const struct job *job)
{
        if (job->kind == JOB_RANDOM)
                return !token->worker.no_random;
        return token_has_mechanism(token, algorithm_info(job->algorithm)->mechanism);
}

/* The one that the token's section names, or NULL. */
static struct token *accelerator_of(const struct token *token)
{
        return token->config->accelerator ? broker_token(token->broker, token->config->accelerator) : NULL;
}

/* For what needs no key: the accelerator that the token names, else any. NULL: none can take it now. */
static struct token *any_accelerator(struct token *token, const struct job *job)
{
        struct token *named = accelerator_of(token);

        if (named && can_take(named) && has_means(named, job))
                return named;
        LINK_FOREACH(at, &token->broker->tokens)
        {
                struct token *other = LINK_OF(at, struct token, link);

                if (can_take(other) && has_means(other, job))
                        return other;
        }
        return NULL;
}

/* The one that holds a copy of the key. Where it could and does not, it gets one, for the next time. NULL: none can sign now. */
static struct token *holder(struct token *token, const struct job *job)
{
        struct entry *entry = job->entry;
        struct token *accelerator;

        /* What an operator must mend on a token is not worked around. */
        if (!token_has_hope(token) || !copies_may(token, entry))
                return NULL;
        accelerator = accelerator_of(token);
        if (!accelerator || !can_take(accelerator) || !has_means(accelerator, job))
                return NULL;
        if (entry->copy && entry->copy->accelerator == accelerator)
                return accelerator;
        copies_load(token, accelerator, entry);
        return NULL;
}

static struct token *accelerator_for(struct token *token, const struct job *job)
{
        switch (job->kind) {
        case JOB_SIGN:
                return holder(token, job);
        case JOB_VERIFY:
        case JOB_RANDOM:
                return any_accelerator(token, job);
        default:
                return NULL;
        }
}

/* The accelerator to which a request that none took could have gone; NULL: none. */
static struct token *missed_by(const struct token *token, const struct job *job)
{
        struct token *named;

        if (job->kind == JOB_SIGN)
                return copies_may(token, job->entry) ? accelerator_of(token) : NULL;
        if (job->kind != JOB_VERIFY && job->kind != JOB_RANDOM)
                return NULL;
        named = accelerator_of(token);
        if (named)
                return named;
        LINK_FOREACH(at, &token->broker->tokens)
        {
                struct token *other = LINK_OF(at, struct token, link);

                if (is_accelerator(other))
                        return other;
        }
        return NULL;
}

/* ---- there and back ---- */

static void take_home(struct token *accelerator, struct job *job, const struct job_result *result)
{
        struct token *token = job->token;

        token->fallbacks++;
        accelerator->fallbacks++;
        link_remove(&job->link);
        job->place = JOB_NOWHERE;
        if (job->deadline_usec <= now_usec())
                token_end(token, job,
                        result->end == JOB_DEADLINE_EXECUTED ? JOB_DEADLINE_EXECUTED : JOB_DEADLINE);
        else
                token_submit(token, job);
}

static void on_trial(struct job *trial, const struct job_result *result)
{
        struct token *accelerator = trial->token;
        struct job *job = trial->trial_of;

        job->trial = NULL;
        trial->trial_of = NULL;
        /* What was sent is not needed again: a trial is not repeated. */
        job_move_data(job, trial);
        if (result->end == JOB_OK) {
                job->token->accelerated++;
                accelerator->accelerated++;
                /* Counted and timed where it was done: on the accelerator. */
                if (job->done)
                        job->done(job, result);
                job->done = NULL;
                token_end(job->token, job, JOB_OK);
                return;
        }
        /* It has the request and does not answer: until it says something again, nobody waits for it. */
        if (result->end == JOB_DEADLINE_EXECUTED &&
                (!trial->hurried || ++accelerator->worker.n_late >= accelerator->worker.threads))
                accelerator->worker.stalled = true;
        if (result->end == JOB_NOT_SUPPORTED && trial->kind == JOB_RANDOM)
                accelerator->worker.no_random = true;
        if (result->end == JOB_KEY_GONE && job->entry)
                copies_lost_one(job->entry);
        /* Nobody waits for it, and it changes nothing. Its instance may be gone with whoever asked. */
        if (!job->done)
                token_end(job->token, job, JOB_OUTCOME_UNKNOWN);
        else
                take_home(accelerator, job, result);
}

static uint64_t share_usec(
        const struct token *accelerator, const struct job *job, uint64_t now, bool *ret_hurried)
{
        const struct worker *worker = &accelerator->worker;
        uint64_t left = job->deadline_usec > now ? (job->deadline_usec - now) / 2 : 0;
        uint64_t turns = 1 + (accelerator->queue.n + worker->n_out) / MAX_OF(worker->threads, 1U);
        uint64_t share = MAX_OF(SHARE_TIMES * turns * accelerator->latency_usec, SHARE_MIN_USEC);

        *ret_hurried = left < share / HURRIED_PART;
        return MIN_OF(left, share);
}

/* 1: it cannot be tried there. */
static int try_on(struct token *accelerator, struct token *token, struct job *job)
{
        struct job *trial = job_new(job->kind);
        uint64_t now = now_usec();

        if (!trial)
                return 1;
        trial->done = on_trial;
        trial->trial_of = job;
        job_set_instance(trial, job->instance);
        trial->begun_usec = job->begun_usec;
        trial->deadline_usec = now + share_usec(accelerator, job, now, &trial->hurried);
        trial->algorithm = job->algorithm;
        trial->prehashed = job->prehashed;
        trial->length = job->length;
        if (job->kind == JOB_SIGN) {
                trial->entry = entry_ref(job->entry);
                trial->copy = job->entry->copy->number;
        }
        job_move_data(trial, job);
        job->token = token;
        job->trial = trial;
        job->place = JOB_AWAY;
        link_append(&token->away, &job->link);
        token_submit(accelerator, trial);
        return 0;
}

void accelerator_submit(struct token *token, struct job *job)
{
        struct token *accelerator = accelerator_for(token, job);

        if (accelerator && try_on(accelerator, token, job) == 0)
                return;
        accelerator = missed_by(token, job);
        if (accelerator) {
                token->fallbacks++;
                accelerator->fallbacks++;
        }
        token_submit(token, job);
}
