/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The worker at the other end of a token's channel: its hello, its directory, its replies, and its death,
 * which is one path whatever it died of. It runs vendor code: what it says is checked, and a word that cannot
 * be ends it.
 */
#include "daemon/broker/token.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/accelerator.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/control.h"
#include "daemon/broker/copies.h"
#include "daemon/broker/spki.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

/* Messages of one worker in one turn of the loop: the others' events come in between. */
#define MESSAGES_A_TURN 64U
/* When a worker that could not give its directory is asked again. */
#define RELOAD_USEC USEC_PER_SEC
/* Deaths that one SETTLE may cause before the outcome counts as unknown. */
#define SETTLES_MAX 2U
/* No device call takes a day: what is longer is no measurement. */
#define DEVICE_USEC_MAX (UINT64_C(86400) * USEC_PER_SEC)

/* ---- death ---- */

void worker_detach(struct token *token)
{
        struct worker *worker = &token->worker;

        sd_event_source_disable_unref(worker->source);
        if (worker->fd >= 0)
                close(worker->fd);
        free(worker->retire_reason);
        token->logins_before += worker->logins;
        worker->source = NULL;
        worker->fd = -1;
        worker->phase = WORKER_NONE;
        worker->retire_reason = NULL;
        worker->threads = worker->busy = worker->sessions_open = worker->logins = 0;
        worker->blocked = worker->ending = worker->retiring = worker->stalled = worker->no_random = false;
        token->refresh_wanted = false;
        token->refresh_due_usec = USEC_NEVER;
        directory_free(token->loading);
        token->loading = NULL;
}

/* Takes it off the list of what is out, and keeps it. */
static void job_back(struct token *token, struct job *job, struct link *list, enum job_place place)
{
        struct worker *worker = &token->worker;

        link_remove(&job->link);
        worker->n_out--;
        if (job_changes(job))
                worker->slow_out = false;
        job->settling = false;
        job->place = place;
        link_append(list, &job->link);
}

static void job_unsettled(struct token *token, struct job *job)
{
        if (job->settling && ++job->n_settles >= SETTLES_MAX) {
                token_end(token, job, JOB_OUTCOME_UNKNOWN);
                return;
        }
        job_back(token, job, &token->unsettled, JOB_UNSETTLED);
}

static void job_suspected(struct token *token, struct job *job, uint64_t ckr)
{
        if (!job->suspect)
                token->n_suspects++;
        job->suspect = true;
        job->lost_ckr = ckr;
        job_back(token, job, &token->first, JOB_FIRST);
}

/* The worker died while it had this job. */
static void job_lost(struct token *token, struct job *job, bool alone)
{
        if (job->kind == JOB_REFRESH || (!job->done && !job_changes(job)))
                token_end(token, job, JOB_OK);
        else if (job->kind == JOB_PROBE || job->kind == JOB_LOAD || job_is_trial(job))
                token_end(token, job, JOB_UNAVAILABLE);
        else if (job_changes(job))
                job_unsettled(token, job);
        else if (job->suspect && alone)
                token_end(token, job, JOB_WORKER_LOST);
        else
                job_suspected(token, job, 0);
}

static void worker_died(struct token *token)
{
        bool alone = token->worker.n_out == 1;

        if (token->worker.phase == WORKER_NONE)
                return;
        worker_detach(token);
        while (!link_is_empty(&token->worker.out))
                job_lost(token, LINK_OF(token->worker.out.next, struct job, link), alone);
        /* All that waits for an accelerator can be done elsewhere. */
        if (token->config->role == ROLE_ACCELERATOR) {
                copies_lost(token);
                token_end_waiting(token, JOB_UNAVAILABLE);
        }
        if (!token_has_hope(token))
                token_give_up(token);
}

void worker_replace(struct token *token, const char *reason, bool grace)
{
        struct worker *worker = &token->worker;

        if (grace) {
                free(worker->retire_reason);
                worker->retire_reason = strdup(reason);
                worker->retiring = true;
                if (worker->n_out == 0)
                        worker_idle(token);
                return;
        }
        log_warning("token %s: its worker is replaced: %s", token->name, reason);
        control_replace(token->broker, token->name, worker->life, reason);
        worker_died(token);
}

void worker_idle(struct token *token)
{
        struct worker *worker = &token->worker;

        if (!worker->retiring || worker->busy > 0 || worker->ending)
                return;
        /* Said once: from here on it is waited for. */
        worker->ending = true;
        log_notice("token %s: its worker is replaced: %s", token->name,
                worker->retire_reason ? worker->retire_reason : "");
        control_replace(
                token->broker, token->name, worker->life, worker->retire_reason ? worker->retire_reason : "");
}

/* ---- what it says ---- */

static int copy_text(char **to, const char *text)
{
        char *copy;

        if (!text_is_utf8(text, strlen(text)))
                return -EBADMSG;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        free(*to);
        *to = copy;
        return 0;
}

static int keep_mechanisms(struct token *token, struct wire_bytes bytes)
{
        size_t n = bytes.length / 8;
        uint64_t *mechanisms = malloc((n + 1) * sizeof(*mechanisms));
        struct wire wire = {.data = (uint8_t *)(uintptr_t)bytes.data, .size = bytes.length};

        if (!mechanisms)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                mechanisms[i] = wire_get_u64(&wire);
        free(token->mechanisms);
        token->mechanisms = mechanisms;
        token->n_mechanisms = n;
        return 0;
}

static int keep_identity(struct token *token, const struct message_hello *hello)
{
        int r = copy_text(&token->label, hello->label);

        if (r == 0)
                r = copy_text(&token->manufacturer, hello->manufacturer);
        if (r == 0)
                r = copy_text(&token->model, hello->model);
        if (r == 0)
                r = copy_text(&token->serial, hello->serial);
        return r < 0 ? r : keep_mechanisms(token, hello->mechanisms);
}

static int on_hello(struct token *token, struct wire *wire)
{
        struct worker *worker = &token->worker;
        struct message_hello hello;
        int r = message_get_hello(wire, &hello);

        if (r < 0 || worker->phase != WORKER_GREETED || hello.version != MESSAGE_VERSION)
                return -EBADMSG;
        if (hello.threads == 0 || hello.threads > LIMIT_SESSIONS_MAX || hello.busy > hello.threads ||
                hello.mechanisms.length % 8 != 0)
                return -EBADMSG;
        r = keep_identity(token, &hello);
        if (r < 0)
                return r;
        r = directory_new(token->name, &token->loading);
        if (r < 0)
                return r;
        token->known = true;
        worker->threads = hello.threads;
        worker->busy = hello.busy;
        worker->session_limit = hello.session_limit;
        worker->phase = WORKER_LOADING;
        token->refresh_wanted = true;
        return 0;
}

static struct directory *directory_now(struct token *token)
{
        if (token->worker.phase == WORKER_LOADING)
                return token->loading;
        return token->worker.phase == WORKER_SERVING ? token->directory : NULL;
}

static int on_entry(struct token *token, struct wire *wire)
{
        struct directory *directory = directory_now(token);
        struct message_entry entry;

        if (!directory || message_get_entry(wire, &entry) < 0)
                return -EBADMSG;
        return directory_put(directory, &entry);
}

static int on_drop(struct token *token, struct wire *wire)
{
        struct directory *directory = directory_now(token);
        struct message_drop drop;
        struct entry *entry;

        if (!directory || message_get_drop(wire, &drop) < 0)
                return -EBADMSG;
        entry = directory_number(directory, drop.number);
        if (entry)
                look_dropped(token, entry);
        (void)directory_drop(directory, drop.number);
        return 0;
}

static int on_sessions(struct token *token, struct wire *wire)
{
        struct message_sessions sessions;

        if (token->worker.phase == WORKER_GREETED || message_get_sessions(wire, &sessions) < 0)
                return -EBADMSG;
        /* A worker that is older than this broker has logged in before: that was recorded then. */
        if (sessions.logins > token->worker.logins && !token->worker.old)
                audit_login(token, true, NULL);
        token->worker.old = false;
        token->worker.sessions_open = sessions.open;
        token->worker.logins = sessions.logins;
        return 0;
}

static int on_claims(struct token *token, struct wire *wire)
{
        struct message_claims claims;

        if (!directory_now(token) || message_get_claims(wire, &claims) < 0)
                return -EBADMSG;
        claims_begin(&token->claims, &claims);
        return 0;
}

static int on_claim(struct token *token, struct wire *wire)
{
        struct message_claim claim;

        if (!directory_now(token) || message_get_claim(wire, &claim) < 0)
                return -EBADMSG;
        return claims_add(&token->claims, &claim);
}

/* ---- replies ---- */

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
        struct wire_bytes ours = wire_bytes(job->data, job->n_data), spki;

        if (entry->kind != OBJECT_CERTIFICATE)
                return false;
        if (job->kind == JOB_IMPORT)
                return strcmp(entry->nickname, job->nickname) == 0 && entry->der_length == ours.length &&
                       memcmp(entry->der, ours.data, ours.length) == 0;
        /* Self-signed: by the key itself, and the nickname is the key's. */
        return strcmp(entry->nickname, job->entry->nickname) == 0 &&
               strcmp(entry->subject, entry->issuer) == 0 &&
               spki_of_certificate(wire_bytes(entry->der, entry->der_length), &spki) &&
               spki_is_same(spki, wire_bytes(job->entry->der, job->entry->der_length));
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

/* What became of the certificates whose worker died over them: the directory of the next one shows it. */
static void settle_by_directory(struct token *token)
{
        LINK_FOREACH_SAFE(at, &token->unsettled)
        {
                struct job *job = LINK_OF(at, struct job, link);
                struct job_result result = {.ckr = job->lost_ckr};

                if (!job_is_settled_by_directory(job))
                        continue;
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

/* CKR_GENERAL_ERROR: what SoftHSM says of a generate, once in some hundreds, while another process is at the token.
 * When it is settled that nothing was made the generate runs once more: that is not blindly. */
#define GENERAL_ERROR 5U

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
        } else if (job->kind == JOB_GENERATE && gone && job->lost_ckr == GENERAL_ERROR && !job->suspect) {
                job_suspected(token, job, job->lost_ckr);
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
                job_unsettled(token, job);
        } else if (reply->status == REPLY_WORKER_LOST)
                token_end(token, job, JOB_WORKER_LOST);
        else if (job->kind == JOB_REFRESH)
                token_end(token, job, JOB_OK);
        else if (job->suspect || job->kind == JOB_PROBE || job->kind == JOB_LOAD || !job->done ||
                 job_is_trial(job))
                token_end_job(token, job, &(struct job_result){.end = JOB_CKR, .ckr = reply->ckr});
        else
                job_suspected(token, job, reply->ckr);
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

static int on_reply(struct token *token, struct wire *wire)
{
        struct message_reply reply;
        struct job *job;

        if (message_get_reply(wire, &reply) < 0 || reply.status == 0 || reply.status >= REPLY_STATUS_MAX_ ||
                token->worker.phase == WORKER_GREETED)
                return -EBADMSG;
        token->worker.stalled = false;
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

static int on_message(struct token *token, struct wire *wire, enum message_type *ret_type)
{
        struct message_settled ignored;

        *ret_type = message_type(wire);
        switch (*ret_type) {
        case MESSAGE_TYPE_HELLO:
                return on_hello(token, wire);
        case MESSAGE_TYPE_ENTRY:
                return on_entry(token, wire);
        case MESSAGE_TYPE_DROP:
                return on_drop(token, wire);
        case MESSAGE_TYPE_SETTLED:
                return directory_now(token) ? message_get_settled(wire, &ignored) : -EBADMSG;
        case MESSAGE_TYPE_REPLY:
                return on_reply(token, wire);
        case MESSAGE_TYPE_SESSIONS:
                return on_sessions(token, wire);
        case MESSAGE_TYPE_CLAIMS:
                return on_claims(token, wire);
        case MESSAGE_TYPE_CLAIM:
                return on_claim(token, wire);
        default:
                return -EBADMSG;
        }
}

/* Reads up to so many messages. 1: the channel is empty; the worker may be dead afterwards (WORKER_NONE). */
static int worker_read(struct token *token, unsigned n)
{
        uint8_t *buffer = token->broker->buffer;

        while (n-- > 0 && token->worker.phase != WORKER_NONE) {
                int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
                enum message_type type = MESSAGE_TYPE_NONE_;
                struct wire wire = {.data = buffer};
                int r = channel_receive(token->worker.fd, buffer, LIMIT_CHANNEL_MESSAGE, &wire.size, fds);

                if (r == -EAGAIN)
                        return 1;
                if (r == 1 || (r < 0 && r != -EMSGSIZE)) {
                        worker_died(token);
                        return 0;
                }
                for (size_t i = 0; i < LIMIT_CHANNEL_FDS; i++)
                        closep(&fds[i]);
                if (r == 0)
                        r = on_message(token, &wire, &type);
                if (r < 0) {
                        char reason[64];

                        snprintf(reason, sizeof(reason), "it sent %s that cannot be (%s)",
                                r == -EMSGSIZE ? "a message" : message_name(type), strerror(-r));
                        worker_replace(token, reason, false);
                }
                /* Nothing is owed: a call that would only say so is saved. Whatever comes unasked wakes us again. */
                if (type == MESSAGE_TYPE_REPLY && token->worker.n_out + token->worker.busy == 0)
                        return 0;
        }
        return 0;
}

void worker_watch(struct token *token, bool writable)
{
        int r = sd_event_source_set_io_events(token->worker.source, EPOLLIN | (writable ? EPOLLOUT : 0U));

        if (r < 0)
                log_error("token %s: cannot watch the channel: %s", token->name, strerror(-r));
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct token *token = userdata;
        struct broker *broker = token->broker;

        if (token->worker.blocked && (events & EPOLLOUT)) {
                token->worker.blocked = false;
                worker_watch(token, false);
        }
        if (events & ~(uint32_t)EPOLLOUT)
                (void)worker_read(token, MESSAGES_A_TURN);
        token->dirty = broker->tokens_dirty = true;
        broker_settle(broker);
        return 0;
}

int worker_attach(struct token *token, int fd, uint64_t life, uint32_t epoch)
{
        struct worker *worker = &token->worker;
        int r;

        if (worker->phase != WORKER_NONE)
                worker_gone(token, worker->life);
        worker->fd = fd;
        worker->life = life;
        worker->epoch = epoch;
        worker->counter = 0;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        else
                r = sd_event_add_io(token->broker->event, &worker->source, fd, EPOLLIN, on_io, token);
        if (r < 0) {
                worker_detach(token);
                return r;
        }
        worker->phase = WORKER_GREETED;
        worker->old = !token->broker->sealed;
        return 0;
}

void worker_gone(struct token *token, uint64_t life)
{
        if (token->worker.phase == WORKER_NONE || token->worker.life != life)
                return;
        /* What it answered before it died counts. A child of vendor code may hold the channel open, and even
         * write: no more than every session could have answered. */
        (void)worker_read(token, LIMIT_SESSIONS_MAX * 64U);
        worker_died(token);
}
