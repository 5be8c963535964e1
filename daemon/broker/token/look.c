/* SPDX-License-Identifier: MPL-2.0 */
/* See look.h. */
#include "daemon/broker/token/look.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/token/vanished.h"
#include "daemon/broker/token/worker.h"
#include "daemon/util/log.h"

/* A look is a login and a session: at most one in this time. */
#define LOOK_USEC (5 * USEC_PER_SEC)
/* Lookups in vain in this time count as one. */
#define MISS_USEC USEC_PER_SEC
/* A look that does not come in this time does not come: what the worker says is believed. */
#define UNSURE_USEC (10 * USEC_PER_SEC)

static void look_close(struct look_channel *look)
{
        sd_event_source_disable_unref(look->source);
        look->source = NULL;
        if (look->fd >= 0)
                close(look->fd);
        look->fd = -1;
}

static void free_sights(struct sight **list)
{
        while (*list) {
                struct sight *sight = *list;

                *list = sight->next;
                free(sight);
        }
}

void look_forget(struct token *token)
{
        struct look_channel *look = &token->look;

        look_close(look);
        free_sights(&look->seen);
        look->n_seen = 0;
        look->saw = look->another = false;
}

void look_done(struct token *token)
{
        look_forget(token);
        free_sights(&token->look.unbrought);
}

void look_lost(struct token *token)
{
        /* The next worker's directory says what is there. */
        token->look.unsure_usec = 0;
        token->look.n_went = 0;
}

/* The databases of NSS show a running process everything, and what lies on an accelerator matters to nobody. */
static bool has_looks(const struct token *token)
{
        return strcmp(token->config->module, "internal") != 0 && token->config->role != ROLE_ACCELERATOR;
}

/* The earliest time for the next one. */
static uint64_t next_usec(const struct look_channel *look)
{
        return look->asked_usec && !look->urgent ? look->asked_usec + LOOK_USEC : 0;
}

void look_please(struct token *token)
{
        if (!has_looks(token))
                return;
        token->look.wanted = true;
        loop_arm(&token->broker->loop, next_usec(&token->look));
}

void look_missed(struct token *token)
{
        uint64_t now = now_usec();

        if (token->missed_usec && now < token->missed_usec + MISS_USEC)
                return;
        token->missed_usec = now;
        if (++token->misses >= 2)
                look_please(token);
}

/* ---- what is not believed before a look ---- */

void look_unsure(struct token *token)
{
        struct look_channel *look = &token->look;

        if (!has_looks(token))
                return;
        look->unsure_usec = now_usec() + UNSURE_USEC;
        look->urgent = true;
        look_please(token);
}

static void look_sure(struct token *token)
{
        if (!token_is_unsure(token))
                return;
        token->look.unsure_usec = 0;
        token->dirty = token->broker->tokens_dirty = true;
        backlog_wake(token);
}

void look_settled(struct token *token)
{
        struct look_channel *look = &token->look;
        size_t went = look->n_went, left;

        look->n_went = 0;
        if (went == 0 || token->worker->phase != WORKER_SERVING)
                return;
        left = directory_count(token->directory, OBJECT_KEY);
        if (left > 0 && (went < 2 || went < left))
                return;
        log_notice("token %s: %zu keys went at once, and %zu are left: a fresh process is asked whether it "
                   "is so",
                token->name, went, left);
        look_unsure(token);
}

/* ---- asking ---- */

uint64_t look_tick(struct token *token, uint64_t now)
{
        struct look_channel *look = &token->look;

        uint64_t unsure = token_is_unsure(token) ? look->unsure_usec : USEC_NEVER, next = next_usec(look);

        if (unsure <= now) {
                look_sure(token);
                unsure = USEC_NEVER;
        }
        if (!look->wanted)
                return unsure;
        if (now < next)
                return MIN_OF(next, unsure);
        look->wanted = look->urgent = false;
        look->asked_usec = now;
        token->misses = 0;
        uplink_look_please(&token->broker->uplink, token->name);
        return unsure;
}

/* ---- what it shows ---- */

static int keep_sight(struct look_channel *look, const struct message_entry *entry)
{
        struct sight *sight;

        if (entry->id.length > LIMIT_KEY_ID || look->n_seen >= LIMIT_OBJECTS)
                return -EBADMSG;
        if (entry->id.length == 0)
                return 0;
        sight = malloc(sizeof(*sight));
        if (!sight)
                return -ENOMEM;
        sight->kind = entry->kind;
        sight->n_id = entry->id.length;
        memcpy(sight->id, entry->id.data, entry->id.length);
        sight->next = look->seen;
        look->seen = sight;
        look->n_seen++;
        return 0;
}

/* Whether what the look came to is not the worker's token. A slot alone may be another in each process: one that a new
 * worker did not come to either says nothing. */
static int on_hello(struct token *token, struct wire *wire)
{
        static const enum uri_part parts[] = {URI_TOKEN, URI_SERIAL, URI_MANUFACTURER, URI_MODEL};
        const struct uri_token *own = &token->identity;
        struct look_channel *look = &token->look;
        struct message_hello hello;
        struct uri_token its;

        if (message_get_hello(wire, &hello) < 0 || hello.version != MESSAGE_VERSION ||
                token_identity(&hello, &its) < 0)
                return -EBADMSG;
        if (!token->known)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
                if (strcmp(own->parts[parts[i]], its.parts[parts[i]]) != 0)
                        look->another = true;
        if (!look->another && own->slot_id != hello.slot_id && look->unbrought_slot != hello.slot_id + 1) {
                look->another = true;
                look->unbrought_slot = hello.slot_id + 1;
        }
        return 0;
}

/* 1: that was all. */
static int on_message(struct token *token, struct wire *wire)
{
        struct message_entry entry;

        switch (message_type(wire)) {
        case MESSAGE_TYPE_HELLO:
                return on_hello(token, wire);
        case MESSAGE_TYPE_ENTRY:
                return message_get_entry(wire, &entry) < 0 ? -EBADMSG : keep_sight(&token->look, &entry);
        case MESSAGE_TYPE_SETTLED:
                return 1;
        default:
                return -EBADMSG;
        }
}

static int look_receive(struct token *token)
{
        uint8_t *buffer = token->broker->buffer;
        struct wire wire = {.data = buffer};
        int r = channel_receive_plain(token->look.fd, buffer, LIMIT_CHANNEL_MESSAGE, &wire.size);

        if (r == 1)
                return -ECONNRESET;
        return r < 0 ? r : on_message(token, &wire);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct token *token = userdata;
        struct broker *broker = token->broker;
        int r = 0;

        for (unsigned i = 0; i < 64 && r == 0; i++)
                r = look_receive(token);
        if (token->look.another) {
                look_forget(token);
                worker_replace(token->worker, "another token is where its own was", true);
        } else if (r == 1) {
                look_close(&token->look);
                token->look.saw = true;
                token->look.settled_usec = now_usec();
                token->refresh_wanted = token->dirty = broker->tokens_dirty = true;
        } else if (r < 0 && r != -EAGAIN) {
                log_info("token %s: a look ended before it saw everything: %s", token->name, strerror(-r));
                look_forget(token);
                if (token_is_unsure(token))
                        look_please(token);
        }
        loop_settle(&broker->loop);
        return 0;
}

int look_attach(struct token *token, int fd)
{
        struct look_channel *look = &token->look;
        int r;

        look_forget(token);
        look->fd = fd;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        else
                r = sd_event_add_io(token->broker->loop.event, &look->source, fd, EPOLLIN, on_io, token);
        if (r < 0)
                look_forget(token);
        return r;
}

/* Whether the worker shows it. A pair that was being made when the look saw it bears another id by now. */
static bool is_here(const struct token *token, const struct sight *sight)
{
        const struct sight *made = &token->look.made;
        struct entry *entry = NULL;

        if (sight->kind == made->kind && bytes_equal(sight->id, sight->n_id, made->id, made->n_id))
                return true;
        while ((entry = directory_id(token->directory, sight->id, sight->n_id, entry)))
                if (entry->kind == sight->kind)
                        return true;
        return false;
}

static bool is_same_sight(const struct sight *a, const struct sight *b)
{
        return a->kind == b->kind && bytes_equal(a->id, a->n_id, b->id, b->n_id);
}

/* Whether the list has it. Both lists are in the order of the token, mostly: the search goes on behind the last find. */
static bool has_sight(const struct sight *list, const struct sight **hint, const struct sight *sight)
{
        const struct sight *at = *hint;

        while (at && !is_same_sight(at, sight))
                at = at->next;
        for (const struct sight *first = list; !at && first != *hint; first = first->next)
                if (is_same_sight(first, sight))
                        at = first;
        if (!at)
                return false;
        *hint = at->next;
        return true;
}

/* What the look saw and the worker does not show. It becomes what the next worker did not bring if it does not show it
 * either: then no other worker is started for it. Whether there is anything new in it. */
static bool take_missing(struct token *token)
{
        struct look_channel *look = &token->look;
        const struct sight *hint = look->unbrought;
        struct sight *missing = NULL, **end = &missing;
        bool is_new = false;

        for (struct sight **at = &look->seen; *at;) {
                struct sight *sight = *at;

                if (is_here(token, sight)) {
                        at = &sight->next;
                        continue;
                }
                *at = sight->next;
                sight->next = NULL;
                *end = sight;
                end = &sight->next;
                is_new = is_new || !has_sight(look->unbrought, &hint, sight);
        }
        free_sights(&look->unbrought);
        look->unbrought = missing;
        return is_new;
}

void look_compare(struct token *token)
{
        bool is_new;

        /* A refresh that was on its way when the look ended may be older than what the look saw. */
        if (!token->look.saw || token->refresh_sent_usec < token->look.settled_usec)
                return;
        is_new = take_missing(token);
        look_forget(token);
        if (is_new)
                worker_replace(
                        token->worker, "a fresh process sees objects on the token that it does not", true);
        else
                look_sure(token);
}

void look_dropped(struct token *token, const struct entry *entry)
{
        token->look.n_went += entry->kind == OBJECT_KEY && token->worker->phase == WORKER_SERVING &&
                              !vanished_is_ours(token, entry);
        for (struct sight **at = &token->look.seen; *at; at = &(*at)->next) {
                struct sight *sight = *at;

                if (sight->kind != entry->kind || sight->n_id != entry->id_length ||
                        memcmp(sight->id, entry->id, sight->n_id) != 0)
                        continue;
                *at = sight->next;
                free(sight);
                token->look.n_seen--;
                return;
        }
}
