/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a worker's reply means to the job that it answers: its end, another try, or that it cannot be, which is the end of that
 * worker. What became of a job whose worker died is settled here as well.
 */
#include <string.h>

#include "daemon/broker/accelerator.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/control.h"
#include "daemon/broker/copies.h"
#include "daemon/util/spki.h"
#include "daemon/broker/token.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

/* When a worker that could not give its directory is asked again. */
#define RELOAD_USEC USEC_PER_SEC
/* No device call takes a day: what is longer is no measurement. */
#define DEVICE_USEC_MAX (UINT64_C(86400) * USEC_PER_SEC)

static struct job *job_of(struct token *token, uint64_t number)
{
        LINK_FOREACH(at, &token->worker.out)
        {
                struct job *job = LINK_OF(at, struct job, link);

                if (job->number == number)
                        return job;
        }
        return NULL;
}

/* Whether the certificate is the one that the job was to put on the token. */
static bool made_by(const struct job *job, const struct entry *entry)
{
        struct wire_bytes ours = wire_bytes(job->data, job->n_data);
        struct der spki;

        if (entry->kind != OBJECT_CERTIFICATE)
                return false;
        if (job->kind == JOB_IMPORT)
                return strcmp(entry->nickname, job->nickname) == 0 && entry->der_length == ours.length &&
                       memcmp(entry->der, ours.data, ours.length) == 0;
        /* Self-signed: by the key itself, and the nickname is the key's. */
        return strcmp(entry->nickname, job->entry->nickname) == 0 &&
               strcmp(entry->subject, entry->issuer) == 0 &&
               spki_of_certificate((struct der){entry->der, entry->der_length}, &spki) &&
               spki_is_same(spki, (struct der){job->entry->der, job->entry->der_length});
}

/* The certificate that an import or a self-signing whose worker died was to make; NULL: it is not there. Nothing bore its
 * nickname before. */
static struct entry *certificate_of(const struct token *token, const struct job *job)
{
        const char *nickname = job->kind == JOB_IMPORT ? job->nickname : job->entry->nickname;
        struct entry *entry = NULL;

        while ((entry = directory_nickname(token->directory, nickname, entry)))
                if (made_by(job, entry))
                        return entry;
        return NULL;
}

static bool is_done(struct token *token, const struct job *job, struct entry **ret)
{
        switch (job->kind) {
        case JOB_CERT_DELETE:
                return !directory_same_key(token->directory, job->entry);
        case JOB_UNCLAIM:
                return token->claims.known &&
                       !claims_have(&token->claims, job->nickname, wire_bytes(job->data, job->n_data));
        default:
                *ret = certificate_of(token, job);
                return *ret != NULL;
        }
}

static struct job *first_settled_by_directory(struct token *token)
{
        LINK_FOREACH(at, &token->unsettled)
        {
                struct job *job = LINK_OF(at, struct job, link);

                if (job_is_settled_by_directory(job))
                        return job;
        }
        return NULL;
}

/* What became of the certificates whose worker died over them: the directory of the next one shows it. Whoever waits for one may
 * change the list: it is looked through anew for each. */
static void settle_by_directory(struct token *token)
{
        struct job *job;

        while ((job = first_settled_by_directory(token))) {
                struct job_result result = {.ckr = job->lost_ckr};

                if (is_done(token, job, &result.entry))
                        result.end = JOB_OK;
                else
                        result.end = job->lost_ckr ? JOB_CKR : JOB_WORKER_LOST;
                token_end_job(token, job, &result);
        }
}

/* The token's new directory is here, or an old one is up to date. */
static void refresh_done(struct token *token, bool ok)
{
        uint64_t now = now_usec();

        token->refresh_due_usec = now + (ok ? token->config->refresh_usec : RELOAD_USEC);
        if (ok && token->worker.phase == WORKER_LOADING) {
                directory_free(token->directory);
                token->directory = TAKE_PTR(token->loading);
                token->worker.phase = WORKER_SERVING;
                control_serving(token->broker, token->name, token->worker.life);
                settle_by_directory(token);
        }
        if (ok)
                token->refreshed_usec = token->refresh_sent_usec;
        broker_arm(token->broker, token->refresh_due_usec);
        if (token->worker.phase != WORKER_SERVING)
                return;
        token_wake_lookups(token);
        if (ok) {
                copies_settle(token);
                look_compare(token);
        }
}

/* The key that the worker says was made, by its number: an entry that came before this reply. Its CKA_ID is the
 * token's word: the worker gives it the one that NSS would. */
static int generated(
        struct token *token, const struct job *job, struct wire_bytes payload, struct entry **ret)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)payload.data, .size = payload.length};
        struct entry *entry = directory_number(token->directory, wire_get_u64(&wire));

        if (!entry || entry->kind != OBJECT_KEY || strcmp(entry->nickname, job->nickname) != 0 ||
                entry->key_type != job->key_type || entry->size != job->size)
                return -EBADMSG;
        *ret = entry;
        return 0;
}

/* The certificate that the worker says was put on the token, as generated(). */
static int certified(
        struct token *token, const struct job *job, struct wire_bytes payload, struct entry **ret)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)payload.data, .size = payload.length};
        struct entry *entry = directory_number(token->directory, wire_get_u64(&wire));

        if (!entry || !entry_is_listed(entry) || !made_by(job, entry))
                return -EBADMSG;
        *ret = entry;
        return 0;
}

/* SETTLE's word on a generate or a delete that its worker did not live to answer. */
static int settled(struct token *token, struct job *job, const struct message_reply *reply)
{
        struct job_result result = {.end = JOB_OUTCOME_UNKNOWN, .ckr = job->lost_ckr};
        bool there = reply->status == REPLY_OK, gone = reply->status == REPLY_KEY_GONE;

        if (job->kind == JOB_GENERATE && there) {
                int r = generated(token, job, reply->payload, &result.entry);

                if (r < 0)
                        return r;
                result.end = JOB_OK;
        } else if (job->kind == JOB_GENERATE && gone && ckr_is_vague(job->lost_ckr) && !job->suspect &&
                   job->done && job->deadline_usec > now_usec()) {
                /* Nothing was made, and somebody waits for it: once more is not blindly. */
                worker_job_suspected(token, job, job->lost_ckr);
                return 0;
        } else if (job->kind == JOB_DELETE && gone)
                result.end = JOB_OK;
        else if (there || gone)
                result.end = job->lost_ckr ? JOB_CKR : JOB_WORKER_LOST;
        token_end_job(token, job, &result);
        return 0;
}

static const enum job_end ends[REPLY_STATUS_MAX_] = {
        [REPLY_OK] = JOB_OK,
        [REPLY_CKR] = JOB_CKR,
        [REPLY_KEY_GONE] = JOB_KEY_GONE,
        [REPLY_NICKNAME_EXISTS] = JOB_NICKNAME_EXISTS,
        [REPLY_NOT_SUPPORTED] = JOB_NOT_SUPPORTED,
        [REPLY_BUSY] = JOB_CKR,
        [REPLY_OUTCOME_UNKNOWN] = JOB_OUTCOME_UNKNOWN,
        [REPLY_INVALID] = JOB_INVALID,
        /* REPLY_CLAIMED is no end: token_pause(). */
};

/* The worker says that it ends itself, and whose request it was. */
static void ended_by(struct token *token, struct job *job, const struct message_reply *reply)
{
        char text[CKR_TEXT];

        token->worker.ending = true;
        log_warning("token %s: its worker ends itself: %s%s%s", token->name,
                reply->status == REPLY_WORKER_LOST ? "a call outlived its deadline"
                                                   : ckr_text(reply->ckr, text),
                reply->text[0] ? ": " : "", reply->text);
        if (job_changes(job)) {
                job->lost_ckr = reply->ckr;
                worker_job_unsettled(token, job);
        } else if (reply->status == REPLY_WORKER_LOST)
                token_end(token, job, JOB_WORKER_LOST);
        else if (job->kind == JOB_REFRESH)
                token_end(token, job, JOB_OK);
        else if (job->suspect || job->kind == JOB_PROBE || job->kind == JOB_LOAD || !job->done ||
                 job_is_trial(job))
                token_end_job(token, job, &(struct job_result){.end = JOB_CKR, .ckr = reply->ckr});
        else
                worker_job_suspected(token, job, reply->ckr);
}

static void count_reply(struct token *token, const struct job *job, const struct message_reply *reply)
{
        if (reply->status != REPLY_OK && reply->ckr != 0) {
                token->last_ckr = reply->ckr;
                token->last_ckr_usec = wall_usec();
        }
        if (!job_is_request(job) || job->settling || reply->device_usec > DEVICE_USEC_MAX)
                return;
        histogram_add(&token->device, reply->device_usec);
        token->latency_usec =
                token->latency_usec ? (7 * token->latency_usec + reply->device_usec) / 8 : reply->device_usec;
}

static int answered(struct token *token, struct job *job, const struct message_reply *reply)
{
        struct job_result result = {.end = ends[reply->status],
                .ckr = reply->ckr,
                .device_usec = reply->device_usec,
                .payload = reply->payload,
                .text = text_is_utf8(reply->text, strlen(reply->text)) ? reply->text : NULL};
        bool wrote = job_changes(job);
        int r;

        if (result.end == JOB_OK && !job_accepts(job, reply->payload))
                return -EBADMSG;
        if (result.end == JOB_OK && job->kind == JOB_GENERATE) {
                r = generated(token, job, reply->payload, &result.entry);
                if (r < 0)
                        return r;
        }
        if (result.end == JOB_OK && (job->kind == JOB_SELF_SIGN || job->kind == JOB_IMPORT)) {
                r = certified(token, job, reply->payload, &result.entry);
                if (r < 0)
                        return r;
        }
        if (result.end == JOB_OK && (job->kind == JOB_DELETE || job->kind == JOB_CERT_DELETE) &&
                job->entry->live) {
                look_dropped(token, job->entry);
                (void)directory_drop(token->directory, job->entry->number);
        }
        /* What else that changed (a key's flags and name, say; the claims) is for the next refresh to tell. */
        if (result.end == JOB_OK && job_is_settled_by_directory(job))
                token->refresh_wanted = true;
        if (result.end == JOB_KEY_GONE || result.end == JOB_NICKNAME_EXISTS)
                token->refresh_wanted = true;
        token_end_job(token, job, &result);
        if (wrote)
                look_please(token);
        return 0;
}

/* A request of a broker before this one: its thread is free now, and that is all. */
static int on_old_reply(struct token *token, const struct message_reply *reply)
{
        if (reply->request >> 32 >= token->worker.epoch)
                return -EBADMSG;
        if (token->worker.busy > 0)
                token->worker.busy--;
        return 0;
}

int worker_on_reply(struct token *token, struct wire *wire)
{
        struct message_reply reply;
        struct job *job;

        if (message_get_reply(wire, &reply) < 0 || reply.status == 0 || reply.status >= REPLY_STATUS_MAX_ ||
                token->worker.phase == WORKER_GREETED)
                return -EBADMSG;
        token->worker.stalled = false;
        token->worker.n_late = 0;
        job = job_of(token, reply.request);
        if (!job)
                return on_old_reply(token, &reply);
        count_reply(token, job, &reply);
        if (reply.status == REPLY_DEVICE_LOST || reply.status == REPLY_PIN ||
                reply.status == REPLY_WORKER_LOST)
                ended_by(token, job, &reply);
        else if (reply.status == REPLY_CLAIMED &&
                 (job->settling || !job_changes(job) || job->kind == JOB_CERT_DELETE ||
                         job->kind == JOB_DELETE || job->kind == JOB_UNCLAIM))
                return -EBADMSG;
        else if (reply.status == REPLY_CLAIMED)
                token_pause(token, job);
        else if (job->settling)
                return settled(token, job, &reply);
        else if (job->kind == JOB_REFRESH) {
                token_end(token, job, JOB_OK);
                refresh_done(token, reply.status == REPLY_OK);
        } else
                return answered(token, job, &reply);
        return 0;
}
