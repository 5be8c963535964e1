/* SPDX-License-Identifier: MPL-2.0 */
/* See worker.h. */
#include "daemon/broker/token/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/token/reply.h"
#include "daemon/broker/token/told.h"
#include "daemon/util/log.h"

/* A worker whose channel ended is dead and reaped within this time, or a module closed a descriptor that is not its own: then its process
 * answers the supervisor's pings, and nothing else would replace it. */
#define CLOSED_USEC USEC_PER_SEC
/* After a worker that died in C_CopyObject the next ones make no session copies for so long, and twice as long each time. */
#define COPIES_PAUSE_USEC     (60 * USEC_PER_SEC)
#define COPIES_PAUSE_MAX_USEC (3600 * USEC_PER_SEC)
/* Messages of one worker in one turn of the loop: the others' events come in between. */
#define MESSAGES_A_TURN 64U

/* ---- death ---- */

static void introduction_done(struct introduction *said)
{
        free(said->mechanisms.types);
        free(said->wraps.types);
        free(said->unwraps.types);
        directory_free(said->directory);
        claims_done(&said->claims);
        *said = (struct introduction){0};
}

void worker_detach(struct worker *worker)
{
        struct token *token = worker->token;

        sd_event_source_disable_unref(worker->source);
        if (worker->fd >= 0)
                close(worker->fd);
        free(worker->retire_reason);
        token->logins_before += worker->logins;
        worker->source = NULL;
        worker->fd = -1;
        worker->phase = WORKER_NONE;
        worker->retire_reason = NULL;
        worker->threads = worker->busy = worker->sessions_open = worker->logins = worker->n_late = 0;
        worker->copies = worker->copies_faster = worker->copies_not_faster = worker->copying = 0;
        worker->blocked = worker->ending = worker->retiring = worker->stalled = worker->no_random = false;
        worker->load_wanted = worker->leaving = false;
        worker->load_due_usec = USEC_NEVER;
        introduction_done(&worker->said);
        told_forget(worker);
        if (worker != token->worker)
                return;
        token->refresh_wanted = false;
        token->refresh_due_usec = USEC_NEVER;
}

/* It died while it copied a key, perhaps of that: copies are for speed alone. */
static void forbid_copies(struct token *token)
{
        uint64_t usec = MAX_OF(2 * token->no_copies_usec, COPIES_PAUSE_USEC);

        token->no_copies_usec = MIN_OF(usec, COPIES_PAUSE_MAX_USEC);
        token->no_copies_until_usec = now_usec() + token->no_copies_usec;
        log_warning(
                "token %s: its worker ended while it made a session copy of a key: none is made for %llu s",
                token->name, (unsigned long long)(token->no_copies_usec / USEC_PER_SEC));
}

static void worker_died(struct worker *worker)
{
        struct token *token = worker->token;
        bool alone = worker->n_out == 1;

        if (worker->phase == WORKER_NONE)
                return;
        if (worker->copying > 0)
                forbid_copies(token);
        worker_detach(worker);
        for (size_t i = 0; i < ARRAY_SIZE(worker->slots); i++) {
                struct slot *slot = &worker->slots[i];

                if (slot->op)
                        reply_lost(slot->op, alone);
                else if (slot->number != 0) {
                        *slot = (struct slot){0};
                        worker->n_out--;
                }
        }
        /* What a newcomer held up goes on. */
        token->dirty = token->broker->tokens_dirty = true;
        if (worker != token->worker)
                return;
        token->broker->on_token(token, TOKEN_LOST);
        if (!token_has_hope(token))
                backlog_give_up(token);
}

void worker_replace(struct worker *worker, const char *reason, bool grace)
{
        struct token *token = worker->token;

        if (grace) {
                free(worker->retire_reason);
                worker->retire_reason = strdup(reason);
                worker->retiring = true;
                if (worker->n_out == 0)
                        worker_idle(worker);
                return;
        }
        log_warning("token %s: its worker is replaced: %s", token->name, reason);
        uplink_replace(&token->broker->uplink, token->name, worker->life, reason, false);
        worker_died(worker);
}

void worker_idle(struct worker *worker)
{
        struct token *token = worker->token;

        if (!worker->retiring || worker->busy > 0 || worker->ending)
                return;
        /* Said once: from here on it is waited for. */
        worker->ending = true;
        if (!worker->leaving)
                log_notice("token %s: its worker is replaced: %s", token->name,
                        worker->retire_reason ? worker->retire_reason : "");
        uplink_replace(&token->broker->uplink, token->name, worker->life,
                worker->retire_reason ? worker->retire_reason : "", false);
}

/* ---- its channel ---- */

static int on_message(struct worker *worker, struct wire *wire, enum message_type *ret_type)
{
        *ret_type = message_type(wire);
        return *ret_type == MESSAGE_TYPE_REPLY ? reply_take(worker, wire)
                                               : told_take(worker, *ret_type, wire);
}

/* The token has more objects than are kept. Another worker would tell of as many. */
static void worker_full(struct worker *worker)
{
        struct token *token = worker->token;
        char reason[128];

        snprintf(reason, sizeof(reason),
                "the token has more than %u objects, or than %u MiB of them, and tokend keeps no more",
                LIMIT_OBJECTS, LIMIT_OBJECTS_BYTES >> 20);
        log_error("token %s: %s", token->name, reason);
        uplink_replace(&token->broker->uplink, token->name, worker->life, reason, true);
        worker_died(worker);
}

/* What the worker sent was not taken, or says that its device is lost. */
static void refuse(struct worker *worker, int r, enum message_type type)
{
        char reason[96];

        if (r == -ENOSPC)
                return worker_full(worker);
        if (r == REPLY_LOST)
                snprintf(reason, sizeof(reason), "its token says that it is well, and every use of it fails");
        else if (r == -ENOMEM) /* only a worker that tells of everything again can tell what is missing now */
                snprintf(reason, sizeof(reason), "the broker has no memory for what the worker sent");
        else
                snprintf(reason, sizeof(reason), "the worker sent an invalid message (%s): %s",
                        r == -EMSGSIZE ? "too long" : message_name(type), strerror(-r));
        worker_replace(worker, reason, false);
}

/* Its channel has ended. */
static void hung_up(struct worker *worker)
{
        struct token *token = worker->token;

        if (worker == token->worker) {
                token->closed_usec = now_usec();
                loop_arm(&token->broker->loop, token->closed_usec + CLOSED_USEC);
        }
        worker_died(worker);
}

/* Reads up to so many messages. 1: the channel is empty; the worker may be dead afterwards (WORKER_NONE). */
static int worker_read(struct worker *worker, unsigned n)
{
        uint8_t *buffer = worker->token->broker->buffer;

        while (n-- > 0 && worker->phase != WORKER_NONE) {
                enum message_type type = MESSAGE_TYPE_NONE_;
                struct wire wire = {.data = buffer};
                int r = channel_receive_plain(worker->fd, buffer, LIMIT_CHANNEL_MESSAGE, &wire.size);

                if (r == -EAGAIN)
                        return 1;
                if (r == 1 || (r < 0 && r != -EMSGSIZE)) {
                        hung_up(worker);
                        return 0;
                }
                if (r == 0) {
                        r = on_message(worker, &wire, &type);
                        explicit_bzero(buffer, wire.size);
                }
                if (r != 0)
                        refuse(worker, r, type);
                /* Nothing is owed: a call that would only say so is saved. Whatever comes unasked wakes us again. */
                if (type == MESSAGE_TYPE_REPLY && worker_is_idle(worker))
                        return 0;
        }
        return 0;
}

void worker_watch(struct worker *worker, bool writable)
{
        int r = sd_event_source_set_io_events(worker->source, EPOLLIN | (writable ? EPOLLOUT : 0U));

        if (r < 0)
                log_error("token %s: cannot watch the channel: %s", worker->token->name, strerror(-r));
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct worker *worker = userdata;
        struct token *token = worker->token;
        struct broker *broker = token->broker;

        if (worker->blocked && (events & EPOLLOUT)) {
                worker->blocked = false;
                worker_watch(worker, false);
        }
        if (events & ~(uint32_t)EPOLLOUT)
                (void)worker_read(worker, MESSAGES_A_TURN);
        token->dirty = broker->tokens_dirty = true;
        loop_settle(&broker->loop);
        return 0;
}

int worker_attach(struct token *token, bool beside, int fd, uint64_t life, uint32_t epoch)
{
        struct worker *worker = beside ? token->other : token->worker;
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
                r = sd_event_add_io(token->broker->loop.event, &worker->source, fd, EPOLLIN, on_io, worker);
        if (r < 0) {
                worker_detach(worker);
                return r;
        }
        if (!beside)
                token->closed_usec = 0;
        worker->phase = WORKER_GREETED;
        worker->old = !token->broker->sealed;
        return 0;
}

uint64_t worker_tick(struct token *token, uint64_t now)
{
        if (token->closed_usec == 0)
                return USEC_NEVER;
        if (now < token->closed_usec + CLOSED_USEC)
                return token->closed_usec + CLOSED_USEC;
        token->closed_usec = 0;
        log_warning(
                "token %s: its worker closed the request channel and lives on: it is replaced", token->name);
        uplink_replace(&token->broker->uplink, token->name, token->worker->life,
                "it closed the request channel and lives on", false);
        return USEC_NEVER;
}

void worker_gone(struct token *token, uint64_t life)
{
        struct worker *worker = token->worker->life == life ? token->worker : token->other;

        if (worker->life != life)
                return;
        /* What it answered before it died counts. A child of vendor code may hold the channel open, and even
         * write: no more than every session could have answered. */
        (void)worker_read(worker, LIMIT_SESSIONS_MAX * 64U);
        worker_died(worker);
        /* Its process has ended, so that the end of its channel, read here or before, is as it should be. */
        if (worker == token->worker)
                token->closed_usec = 0;
        token->dirty = token->broker->tokens_dirty = true;
}
