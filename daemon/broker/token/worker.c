/* SPDX-License-Identifier: MPL-2.0 */
/* See worker.h. */
#include "daemon/broker/token/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/token/reply.h"
#include "daemon/util/log.h"

/* A worker whose channel ended is dead and reaped within this time, or a module closed a descriptor that is not its own: then its process
 * answers the supervisor's pings, and nothing else would replace it. */
#define CLOSED_USEC USEC_PER_SEC
/* Messages of one worker in one turn of the loop: the others' events come in between. */
#define MESSAGES_A_TURN 64U

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
        worker->threads = worker->busy = worker->sessions_open = worker->logins = worker->n_late = 0;
        worker->blocked = worker->ending = worker->retiring = worker->stalled = worker->no_random = false;
        token->refresh_wanted = false;
        token->refresh_due_usec = USEC_NEVER;
        directory_free(token->loading);
        token->loading = NULL;
}

static void worker_died(struct token *token)
{
        struct worker *worker = &token->worker;
        bool alone = worker->n_out == 1;

        if (worker->phase == WORKER_NONE)
                return;
        worker_detach(token);
        for (size_t i = 0; i < ARRAY_SIZE(worker->slots); i++) {
                struct slot *slot = &worker->slots[i];

                if (slot->op)
                        reply_lost(slot->op, alone);
                else if (slot->number != 0) {
                        *slot = (struct slot){0};
                        worker->n_out--;
                }
        }
        token->broker->on_token(token, TOKEN_LOST);
        if (!token_has_hope(token))
                backlog_give_up(token);
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
        uplink_replace(&token->broker->uplink, token->name, worker->life, reason, false);
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
        uplink_replace(&token->broker->uplink, token->name, worker->life,
                worker->retire_reason ? worker->retire_reason : "", false);
}

/* ---- what it says ---- */

static int keep_mechanisms(struct mechanisms *list, struct wire_bytes bytes)
{
        size_t n = bytes.length / 8;
        uint64_t *types = malloc((n + 1) * sizeof(*types));
        struct wire wire = {.data = (uint8_t *)(uintptr_t)bytes.data, .size = bytes.length};

        if (!types)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                types[i] = wire_get_u64(&wire);
        free(list->types);
        *list = (struct mechanisms){types, n};
        return 0;
}

static int on_hello(struct token *token, struct wire *wire)
{
        struct worker *worker = &token->worker;
        struct message_hello hello;
        int r = message_get_hello(wire, &hello);

        if (r < 0 || worker->phase != WORKER_GREETED || hello.version != MESSAGE_VERSION)
                return -EBADMSG;
        if (hello.threads == 0 || hello.threads > LIMIT_SESSIONS_MAX || hello.busy > hello.threads ||
                hello.mechanisms.length % 8 != 0 || hello.wraps.length % 8 != 0 ||
                hello.unwraps.length % 8 != 0)
                return -EBADMSG;
        r = token_identity(&hello, &token->identity);
        if (r == 0)
                r = keep_mechanisms(&token->mechanisms, hello.mechanisms);
        if (r == 0)
                r = keep_mechanisms(&token->wraps, hello.wraps);
        if (r == 0)
                r = keep_mechanisms(&token->unwraps, hello.unwraps);
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
                token->broker->on_dropped(token, entry);
        (void)directory_drop(directory, drop.number);
        return 0;
}

static int on_settled(struct token *token, struct wire *wire)
{
        struct message_settled ignored;

        if (!directory_now(token) || message_get_settled(wire, &ignored) < 0)
                return -EBADMSG;
        token->broker->on_token(token, TOKEN_SETTLED);
        return 0;
}

static int on_sessions(struct token *token, struct wire *wire)
{
        struct message_sessions sessions;

        if (token->worker.phase == WORKER_GREETED || message_get_sessions(wire, &sessions) < 0)
                return -EBADMSG;
        /* A worker that is older than this broker has logged in before: that was recorded then. */
        if (sessions.logins > token->worker.logins && !token->worker.old)
                audit_login(token->broker->audit, token->name, true, NULL);
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

/* ---- its channel ---- */

static int on_message(struct token *token, struct wire *wire, enum message_type *ret_type)
{
        *ret_type = message_type(wire);
        switch (*ret_type) {
        case MESSAGE_TYPE_HELLO:
                return on_hello(token, wire);
        case MESSAGE_TYPE_ENTRY:
                return on_entry(token, wire);
        case MESSAGE_TYPE_DROP:
                return on_drop(token, wire);
        case MESSAGE_TYPE_SETTLED:
                return on_settled(token, wire);
        case MESSAGE_TYPE_REPLY:
                return reply_take(token, wire);
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

/* The token has more objects than are kept. Another worker would tell of as many. */
static void worker_full(struct token *token)
{
        char reason[128];

        snprintf(reason, sizeof(reason),
                "the token has more than %u objects, or than %u MiB of them, and tokend keeps no more",
                LIMIT_OBJECTS, LIMIT_OBJECTS_BYTES >> 20);
        log_error("token %s: %s", token->name, reason);
        uplink_replace(&token->broker->uplink, token->name, token->worker.life, reason, true);
        worker_died(token);
}

/* What the worker sent was not taken, or says that its device is lost. */
static void refuse(struct token *token, int r, enum message_type type)
{
        char reason[96];

        if (r == -ENOSPC)
                return worker_full(token);
        if (r == REPLY_LOST)
                snprintf(reason, sizeof(reason), "its token says that it is well, and every use of it fails");
        else if (r == -ENOMEM) /* only a worker that tells of everything again can tell what is missing now */
                snprintf(reason, sizeof(reason), "the broker has no memory for what the worker sent");
        else
                snprintf(reason, sizeof(reason), "the worker sent an invalid message (%s): %s",
                        r == -EMSGSIZE ? "too long" : message_name(type), strerror(-r));
        worker_replace(token, reason, false);
}

/* Reads up to so many messages. 1: the channel is empty; the worker may be dead afterwards (WORKER_NONE). */
static int worker_read(struct token *token, unsigned n)
{
        uint8_t *buffer = token->broker->buffer;

        while (n-- > 0 && token->worker.phase != WORKER_NONE) {
                enum message_type type = MESSAGE_TYPE_NONE_;
                struct wire wire = {.data = buffer};
                int r = channel_receive_plain(token->worker.fd, buffer, LIMIT_CHANNEL_MESSAGE, &wire.size);

                if (r == -EAGAIN)
                        return 1;
                if (r == 1 || (r < 0 && r != -EMSGSIZE)) {
                        token->closed_usec = now_usec();
                        loop_arm(&token->broker->loop, token->closed_usec + CLOSED_USEC);
                        worker_died(token);
                        return 0;
                }
                if (r == 0) {
                        r = on_message(token, &wire, &type);
                        explicit_bzero(buffer, wire.size);
                }
                if (r != 0)
                        refuse(token, r, type);
                /* Nothing is owed: a call that would only say so is saved. Whatever comes unasked wakes us again. */
                if (type == MESSAGE_TYPE_REPLY && worker_is_idle(&token->worker))
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
        loop_settle(&broker->loop);
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
                r = sd_event_add_io(token->broker->loop.event, &worker->source, fd, EPOLLIN, on_io, token);
        if (r < 0) {
                worker_detach(token);
                return r;
        }
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
        uplink_replace(&token->broker->uplink, token->name, token->worker.life,
                "it closed the request channel and lives on", false);
        return USEC_NEVER;
}

void worker_gone(struct token *token, uint64_t life)
{
        if (token->worker.life != life)
                return;
        /* What it answered before it died counts. A child of vendor code may hold the channel open, and even
         * write: no more than every session could have answered. */
        (void)worker_read(token, LIMIT_SESSIONS_MAX * 64U);
        worker_died(token);
        /* Its process has ended, so that the end of its channel, read here or before, is as it should be. */
        token->closed_usec = 0;
}
