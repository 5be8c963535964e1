/* SPDX-License-Identifier: MPL-2.0 */
/* Which of a token's jobs goes to its worker next, and when. */
#include "daemon/broker/audit.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/token.h"

static bool worker_has_room(const struct token *token)
{
        const struct worker *worker = &token->worker;

        if (worker->phase < WORKER_LOADING || worker->blocked || worker->ending || worker->retiring)
                return false;
        /* One at a time while one of them may have ended a worker: the next death has one culprit. */
        if (token->n_suspects > 0 && worker->n_out > 0)
                return false;
        return worker->n_out + worker->busy < worker->threads;
}

static struct job *next_refresh(struct token *token)
{
        struct job *job = token->worker.refresh_out ? NULL : job_new(JOB_REFRESH);

        if (job)
                job->token = token;
        return job;
}

/* What is to be sent next. It stays in its list (but one from the queue, which is out of it) until it is out.
 */
static struct job *next_job(struct token *token)
{
        struct queue_item *item;
        struct job *job = NULL;

        if (token->worker.phase == WORKER_LOADING)
                return token->refresh_wanted ? next_refresh(token) : NULL;
        if (!link_is_empty(&token->unsettled) && !token->worker.slow_out) {
                job = LINK_OF(token->unsettled.next, struct job, link);
                job->settling = true;
                return job;
        }
        if (token->refresh_wanted)
                job = next_refresh(token);
        if (job)
                return job;
        LINK_FOREACH(at, &token->first)
        {
                job = LINK_OF(at, struct job, link);
                if (!job_changes(job) || !token->worker.slow_out)
                        return job;
        }
        item = queue_pop(&token->queue, !token->worker.slow_out);
        if (!item)
                return NULL;
        job = LINK_OF(item, struct job, item);
        return job;
}

/* The key's number in this life of the worker, in *ret. 1: it is not on the token any more. */
static int job_resolve(struct token *token, struct job *job, uint64_t *ret)
{
        struct entry *entry = job->entry;

        if (!entry || job->settling || job->copy != 0) {
                *ret = 0;
                return 0;
        }
        if (!entry->live) {
                entry = directory_same_key(token->directory, entry);
                if (!entry)
                        return 1;
                entry_ref(entry);
                entry_unref(job->entry);
                job->entry = entry;
        }
        *ret = entry->number;
        return 0;
}

static int job_send(struct token *token, struct job *job, uint64_t key)
{
        struct worker *worker = &token->worker;
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        struct wire wire = {.data = buffer, .size = sizeof(buffer)};

        job->number = (uint64_t)worker->epoch << 32 | ++worker->counter;
        job_put(job, key, worker->phase == WORKER_LOADING, &wire);
        return wire.bad ? -EMSGSIZE : channel_send(worker->fd, buffer, wire.at, NULL, 0);
}

static void job_is_out(struct token *token, struct job *job)
{
        struct worker *worker = &token->worker;

        link_remove(&job->link);
        job->place = JOB_OUT;
        job->attempt += !job->settling;
        job->repeated = false;
        link_append(&worker->out, &job->link);
        worker->n_out++;
        if (job->kind == JOB_REFRESH) {
                worker->refresh_out = true;
                token->refresh_wanted = false;
                token->refresh_sent_usec = now_usec();
        } else if (job_changes(job))
                worker->slow_out = true;
}

/* The channel took nothing: as it was before. */
static void job_put_back(struct token *token, struct job *job)
{
        if (job->kind == JOB_REFRESH)
                job_free(job);
        else if (job->place == JOB_QUEUED)
                queue_restore(&token->queue, job->instance, &job->item);
}

/* 1: no more for now. */
static int send_one(struct token *token)
{
        struct job *job = next_job(token);
        uint64_t key;
        int r;

        if (!job)
                return 1;
        if (job_resolve(token, job, &key) > 0) {
                token_end(token, job, JOB_KEY_GONE);
                return 0;
        }
        if (job->audited && !job->settling && audit_refuses(token->broker)) {
                token_end(token, job, JOB_UNRECORDED);
                return 0;
        }
        if (job->suspect && !job->repeated) {
                audit_repeats(job);
                job->repeated = true;
        }
        r = job_send(token, job, key);
        if (r == 0) {
                job_is_out(token, job);
                return 0;
        }
        if (r == -EMSGSIZE) {
                token_end(token, job, JOB_INVALID);
                return 0;
        }
        job_put_back(token, job);
        if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM) {
                token->worker.blocked = true;
                worker_watch(token, true);
        } else
                token->worker.ending = true; /* its EOF is on the way */
        return 1;
}

void token_pump(struct token *token)
{
        token->dirty = false;
        while (worker_has_room(token))
                if (send_one(token) != 0)
                        break;
        if (token->worker.n_out == 0)
                worker_idle(token);
}
