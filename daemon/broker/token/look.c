/* SPDX-License-Identifier: MPL-2.0 */
/* See look.h. */
#include "daemon/broker/token/look.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/token/worker.h"
#include "daemon/util/log.h"

/* A look is a login and a session: at most one in this time. */
#define LOOK_USEC (5 * USEC_PER_SEC)

static void look_close(struct look_channel *look)
{
        sd_event_source_disable_unref(look->source);
        look->source = NULL;
        if (look->fd >= 0)
                close(look->fd);
        look->fd = -1;
}

void look_forget(struct token *token)
{
        struct look_channel *look = &token->look;

        look_close(look);
        while (look->seen) {
                struct sight *sight = look->seen;

                look->seen = sight->next;
                free(sight);
        }
        look->n_seen = 0;
        look->saw = false;
}

void look_please(struct token *token)
{
        /* The databases of NSS show a running process everything, and what lies on an accelerator matters to nobody. */
        if (strcmp(token->config->module, "internal") == 0 || token->config->role == ROLE_ACCELERATOR)
                return;
        token->look.wanted = true;
        loop_arm(&token->broker->loop,
                token->look.asked_usec ? token->look.asked_usec + LOOK_USEC : now_usec());
}

void look_missed(struct token *token)
{
        if (++token->misses >= 2)
                look_please(token);
}

uint64_t look_tick(struct token *token, uint64_t now)
{
        struct look_channel *look = &token->look;

        if (!look->wanted)
                return USEC_NEVER;
        if (look->asked_usec && now < look->asked_usec + LOOK_USEC)
                return look->asked_usec + LOOK_USEC;
        look->wanted = false;
        look->asked_usec = now;
        token->misses = 0;
        uplink_look_please(&token->broker->uplink, token->name);
        return USEC_NEVER;
}

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

/* 1: that was all. */
static int on_message(struct token *token, struct wire *wire)
{
        struct message_entry entry;

        switch (message_type(wire)) {
        case MESSAGE_TYPE_HELLO:
        case MESSAGE_TYPE_SESSIONS:
        case MESSAGE_TYPE_CLAIMS:
        case MESSAGE_TYPE_CLAIM:
                return 0;
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
        if (r == 1) {
                look_close(&token->look);
                token->look.saw = true;
                token->look.settled_usec = now_usec();
                token->refresh_wanted = token->dirty = broker->tokens_dirty = true;
        } else if (r < 0 && r != -EAGAIN) {
                log_info("token %s: a look ended before it saw everything: %s", token->name, strerror(-r));
                look_forget(token);
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

static bool is_here(const struct token *token, const struct sight *sight)
{
        struct entry *entry = NULL;

        while ((entry = directory_id(token->directory, sight->id, sight->n_id, entry)))
                if (entry->kind == sight->kind)
                        return true;
        return false;
}

void look_compare(struct token *token)
{
        bool missing = false;

        /* A refresh that was on its way when the look ended may be older than what the look saw. */
        if (!token->look.saw || token->refresh_sent_usec < token->look.settled_usec)
                return;
        for (const struct sight *sight = token->look.seen; sight && !missing; sight = sight->next)
                missing = !is_here(token, sight);
        look_forget(token);
        if (missing)
                worker_replace(token, "a fresh process sees objects on the token that it does not", true);
}

void look_dropped(struct token *token, const struct entry *entry)
{
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
