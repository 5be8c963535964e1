/* SPDX-License-Identifier: MPL-2.0 */
/* See told.h. */
#include "daemon/broker/token/told.h"

#include <string.h>

#include "daemon/broker/audit/records.h"

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

static int on_hello(struct worker *worker, struct wire *wire)
{
        struct introduction *said = &worker->said;
        struct message_hello hello;
        int r = message_get_hello(wire, &hello);

        if (r < 0 || worker->phase != WORKER_GREETED || hello.version != MESSAGE_VERSION)
                return -EBADMSG;
        if (hello.threads == 0 || hello.threads > LIMIT_SESSIONS_MAX || hello.busy > hello.threads ||
                hello.mechanisms.length % 8 != 0 || hello.wraps.length % 8 != 0 ||
                hello.unwraps.length % 8 != 0)
                return -EBADMSG;
        r = token_identity(&hello, &said->identity);
        if (r == 0)
                r = keep_mechanisms(&said->mechanisms, hello.mechanisms);
        if (r == 0)
                r = keep_mechanisms(&said->wraps, hello.wraps);
        if (r == 0)
                r = keep_mechanisms(&said->unwraps, hello.unwraps);
        if (r == 0)
                r = directory_new(worker->token->name, &said->directory);
        if (r < 0)
                return r;
        /* Of a token that was not known what names it is known from here on: what waits for its directory finds it so. */
        if (!worker->token->known && worker == worker->token->worker) {
                worker->token->known = true;
                worker->token->identity = said->identity;
        }
        worker->threads = hello.threads;
        worker->busy = hello.busy;
        worker->session_limit = hello.session_limit;
        worker->phase = WORKER_LOADING;
        if (worker_is_newcomer(worker))
                worker->load_wanted = true;
        else
                worker->token->refresh_wanted = true;
        return 0;
}

/* Whether it may tell of objects now. */
static bool may_tell(const struct worker *worker)
{
        return worker->phase == WORKER_LOADING || worker->phase == WORKER_SERVING;
}

/* Where that is kept. NULL: nowhere, because another serves by now. */
static struct directory *directory_now(struct worker *worker)
{
        if (worker->phase == WORKER_LOADING)
                return worker->said.directory;
        return worker->leaving ? NULL : worker->token->directory;
}

static struct claims *claims_now(struct worker *worker)
{
        if (worker->phase == WORKER_LOADING)
                return &worker->said.claims;
        return worker->leaving ? NULL : &worker->token->claims;
}

static int take_entry(struct worker *worker, struct wire *wire)
{
        struct directory *directory = directory_now(worker);
        struct message_entry entry;

        if (message_get_entry(wire, &entry) < 0)
                return -EBADMSG;
        return directory ? directory_put(directory, &entry) : 0;
}

static int take_drop(struct worker *worker, struct wire *wire)
{
        struct directory *directory = directory_now(worker);
        struct message_drop drop;
        struct entry *entry;

        if (message_get_drop(wire, &drop) < 0)
                return -EBADMSG;
        entry = directory ? directory_number(directory, drop.number) : NULL;
        if (entry && worker == worker->token->worker)
                worker->token->broker->on_dropped(worker->token, entry);
        if (directory)
                (void)directory_drop(directory, drop.number);
        return 0;
}

static int take_change(struct worker *worker, enum message_type type, struct wire *wire)
{
        return type == MESSAGE_TYPE_ENTRY ? take_entry(worker, wire) : take_drop(worker, wire);
}

/* Each as its length and its bytes. */
static int keep(struct output *told, const struct wire *wire)
{
        if (output_pending(told) + wire->size > LIMIT_OBJECTS_BYTES)
                return -ENOSPC;
        output_bytes(told, &wire->size, sizeof(wire->size));
        output_bytes(told, wire->data, wire->size);
        return told->failed ? -ENOMEM : 0;
}

static int on_change(struct worker *worker, enum message_type type, struct wire *wire)
{
        if (!may_tell(worker))
                return -EBADMSG;
        return worker->phase == WORKER_SERVING ? keep(&worker->told, wire) : take_change(worker, type, wire);
}

static int take_kept(struct worker *worker)
{
        const struct output *told = &worker->told;
        size_t at = told->begin;
        int r = 0;

        while (r == 0 && at < told->end) {
                struct wire wire = {.data = (uint8_t *)told->data + at + sizeof(wire.size)};

                memcpy(&wire.size, told->data + at, sizeof(wire.size));
                at += sizeof(wire.size) + wire.size;
                r = take_change(worker, message_type(&wire), &wire);
        }
        told_forget(worker);
        return r;
}

static int on_settled(struct worker *worker, struct wire *wire)
{
        struct message_settled ignored;
        int r;

        if (!may_tell(worker) || message_get_settled(wire, &ignored) < 0)
                return -EBADMSG;
        r = take_kept(worker);
        if (r == 0 && worker == worker->token->worker)
                worker->token->broker->on_token(worker->token, TOKEN_SETTLED);
        return r;
}

void told_forget(struct worker *worker)
{
        output_done(&worker->told);
}

static int on_sessions(struct worker *worker, struct wire *wire)
{
        struct token *token = worker->token;
        struct message_sessions sessions;

        if (worker->phase == WORKER_GREETED || message_get_sessions(wire, &sessions) < 0)
                return -EBADMSG;
        /* A worker that is older than this broker has logged in before: that was recorded then. */
        if (sessions.logins > worker->logins && !worker->old)
                audit_login(token->broker->audit, token->name, true, NULL);
        worker->old = false;
        /* One was made, and the worker is there to tell. */
        if (sessions.copies > worker->copies)
                token->no_copies_usec = 0;
        worker->copies = sessions.copies;
        worker->copies_faster = sessions.faster;
        worker->copies_not_faster = sessions.not_faster;
        worker->copying = sessions.copying;
        worker->sessions_open = sessions.open;
        worker->logins = sessions.logins;
        return 0;
}

static int on_claims(struct worker *worker, struct wire *wire)
{
        struct claims *to = claims_now(worker);
        struct message_claims claims;

        if (!may_tell(worker) || message_get_claims(wire, &claims) < 0)
                return -EBADMSG;
        if (to)
                claims_begin(to, &claims);
        return 0;
}

static int on_claim(struct worker *worker, struct wire *wire)
{
        struct claims *to = claims_now(worker);
        struct message_claim claim;

        if (!may_tell(worker) || message_get_claim(wire, &claim) < 0)
                return -EBADMSG;
        return to ? claims_add(to, &claim) : 0;
}

int told_take(struct worker *worker, enum message_type type, struct wire *wire)
{
        switch (type) {
        case MESSAGE_TYPE_HELLO:
                return on_hello(worker, wire);
        case MESSAGE_TYPE_ENTRY:
        case MESSAGE_TYPE_DROP:
                return on_change(worker, type, wire);
        case MESSAGE_TYPE_SETTLED:
                return on_settled(worker, wire);
        case MESSAGE_TYPE_SESSIONS:
                return on_sessions(worker, wire);
        case MESSAGE_TYPE_CLAIMS:
                return on_claims(worker, wire);
        case MESSAGE_TYPE_CLAIM:
                return on_claim(worker, wire);
        default:
                return -EBADMSG;
        }
}
