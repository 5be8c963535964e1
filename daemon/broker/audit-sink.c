/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Where records go. The journal: datagrams on a socket that was connected early, or by the supervisor; journald has a record
 * when it has read it, which the kernel's count of unread bytes tells. The file: messages to tokend-audit, which answers when they are on the
 * disk; when it dies, what it did not answer is sent to the next one, so that a record may stand there twice, with one
 * number and one attempt, but is not missing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/audit.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/control.h"
#include "daemon/util/log.h"

/* How long there may be no tokend-audit: the supervisor starts another at once. */
#define GONE_USEC USEC_PER_SEC
/* When a journal that does not read is looked at again: the kernel tells of it only under some conditions. */
#define LOOK_USEC (50 * USEC_PER_MSEC)
/* When one that is lost is tried again; and where it need not be there, and perhaps never was. */
#define RETRY_USEC      (500 * USEC_PER_MSEC)
#define RETRY_IDLE_USEC (10 * USEC_PER_SEC)
/* Messages of tokend-audit in one turn of the loop. */
#define MESSAGES_A_TURN 64U

static struct audit_item *first_unsent(struct audit *audit)
{
        /* From the end: what is unsent is young. */
        struct audit_item *found = NULL;

        for (struct link *at = audit->items.prev; at != &audit->items; at = at->prev) {
                struct audit_item *item = LINK_OF(at, struct audit_item, link);

                if (item->sent)
                        break;
                found = item;
        }
        return found;
}

/* ---- the journal ---- */

static int on_journal(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct audit *audit = userdata;

        audit->blocked = false;
        audit->broker->audit_dirty = true;
        broker_settle(audit->broker);
        return 0;
}

/* Edge-triggered: each datagram that journald has read is an event, once there is room again. */
static void watch_journal(struct audit *audit, bool on)
{
        int r;

        if (!audit->journal && on)
                r = sd_event_add_io(audit->broker->event, &audit->journal, audit->journal_fd,
                        EPOLLOUT | EPOLLET, on_journal, audit);
        else if (audit->journal)
                r = sd_event_source_set_enabled(audit->journal, on ? SD_EVENT_ON : SD_EVENT_OFF);
        else
                r = 0;
        if (r < 0)
                log_error("audit: cannot watch the journal: %s", strerror(-r));
}

/* What is kept for no journal: where there need not be one, nothing; else these are written late. */
static void drop_unkept(struct audit *audit)
{
        LINK_FOREACH_SAFE(at, &audit->items)
        {
                struct audit_item *item = LINK_OF(at, struct audit_item, link);

                audit_release(audit, item, false);
                if (audit->required)
                        continue;
                audit->lost++;
                link_remove(&item->link);
                audit->n_bytes -= sizeof(*item) + item->length;
                free(item);
        }
}

static uint64_t retry_usec(const struct audit *audit)
{
        return now_usec() + (audit->required ? RETRY_USEC : RETRY_IDLE_USEC);
}

static void journal_absent(struct audit *audit, int r)
{
        audit->absent = true;
        audit->retry_usec = retry_usec(audit);
        audit_set_ok(
                audit, false, r == -ENOENT || r == -ECONNREFUSED ? "there is no journald" : strerror(-r));
        broker_arm(audit->broker, audit->retry_usec);
        drop_unkept(audit);
}

static int journal_send_data(const struct audit *audit, const char *data, size_t length)
{
        struct journal_record record;

        if (audit->journal_fd < 0)
                return -ENOENT;
        journal_record_init(&record);
        memcpy(record.data, data, length);
        record.length = length;
        return journal_send(audit->journal_fd, &record);
}

/* What is sent is safe: at once, or, where it must be, once journald has read all of it. */
static void journal_check(struct audit *audit)
{
        uint64_t number = 0;

        if (audit->required && journal_unread(audit->journal_fd) != 0) {
                broker_arm(audit->broker, now_usec() + LOOK_USEC);
                return;
        }
        LINK_FOREACH(at, &audit->items)
        {
                const struct audit_item *item = LINK_OF(at, struct audit_item, link);

                if (!item->sent)
                        break;
                number = item->number;
        }
        audit_settle(audit, number, true);
        if (!audit->ok && !audit->absent && !audit->blocked)
                audit_set_ok(audit, true, "");
}

static void journal_flush(struct audit *audit)
{
        struct audit_item *item;

        if (audit->absent && audit->retry_usec > now_usec()) {
                drop_unkept(audit);
                return;
        }
        while (!audit->blocked && (item = first_unsent(audit))) {
                int r = journal_send_data(audit, item->data, item->length);

                if (r == 0) {
                        item->sent = true;
                        audit->absent = false;
                } else if (r == -EAGAIN) {
                        audit->blocked = true;
                        broker_arm(audit->broker, now_usec() + LOOK_USEC);
                } else {
                        journal_absent(audit, r);
                        return;
                }
        }
        if (audit->journal_fd >= 0)
                watch_journal(audit, audit->blocked || audit->required);
        if (!audit->absent)
                journal_check(audit);
}

/* Tries a journal that is not there with a record of its own, which says that it is back. */
static void journal_probe(struct audit *audit)
{
        struct journal_record record;
        const struct audit_record back = {.kind = AUDIT_BACK,
                .when_usec = wall_usec(),
                .result = "ok",
                .count = audit->lost - audit->lost_before};

        if (audit_journal(&back, &record) < 0 || journal_send(audit->journal_fd, &record) < 0)
                return;
        audit->absent = false;
        audit->probing = true;
}

static uint64_t journal_tick(struct audit *audit, uint64_t now)
{
        if (audit->absent) {
                if (now < audit->retry_usec)
                        return audit->retry_usec;
                control_journal_please(audit->broker);
                audit->retry_usec = retry_usec(audit);
                return audit->retry_usec;
        }
        /* Nothing may have told that it reads again. */
        audit->blocked = false;
        journal_flush(audit);
        if (audit->absent)
                return audit->retry_usec;
        return audit->blocked || !audit->ok || !link_is_empty(&audit->items) ? now + LOOK_USEC : USEC_NEVER;
}

void audit_journal_attach(struct broker *broker, int fd)
{
        struct audit *audit = broker->audit;

        audit->journal = sd_event_source_disable_unref(audit->journal);
        if (audit->journal_fd >= 0)
                close(audit->journal_fd);
        audit->journal_fd = fd;
        if (audit->mode != AUDIT_MODE_JOURNAL)
                return;
        /* What the journald before it was sent, and had not read, may be lost. */
        sink_unsend(audit);
        audit->retry_usec = now_usec();
        if (audit->absent && link_is_empty(&audit->items))
                journal_probe(audit);
        journal_flush(audit);
        broker_arm(broker, audit->retry_usec);
}

/* ---- the file ---- */

static void channel_gone(struct audit *audit)
{
        if (audit->fd < 0)
                return;
        sd_event_source_disable_unref(audit->channel);
        audit->channel = NULL;
        close(audit->fd);
        audit->fd = -1;
        audit->gone_usec = now_usec();
        sink_unsend(audit);
        broker_arm(audit->broker, audit->gone_usec + GONE_USEC);
}

static void watch_channel(struct audit *audit)
{
        int r = sd_event_source_set_io_events(
                audit->channel, EPOLLIN | (audit->blocked ? (uint32_t)EPOLLOUT : 0U));

        if (r < 0)
                log_error("audit: cannot watch the channel: %s", strerror(-r));
}

static void channel_flush(struct audit *audit)
{
        struct audit_item *item;

        while (audit->fd >= 0 && !audit->blocked && (item = first_unsent(audit))) {
                const struct message_record record = {.number = item->number, .text = item->data};
                int r = message_send_record(audit->fd, &record, NULL, 0);

                if (r == 0)
                        item->sent = true;
                else if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM) {
                        audit->blocked = true;
                        watch_channel(audit);
                } else
                        /* Its answers are read before its end is. */
                        return;
        }
}

/* After an answer: whether all is well again. */
static void channel_check(struct audit *audit)
{
        if (!audit->state_ok)
                audit_set_ok(
                        audit, false, audit->state_reason[0] ? audit->state_reason : "it cannot be written");
        else if (audit_overdue_usec(audit) > now_usec())
                audit_set_ok(audit, true, "");
}

static int on_safe(struct audit *audit, struct wire *wire)
{
        struct message_safe message;
        int r = message_get_safe(wire, &message);

        if (r < 0 || message.number > audit->last_number)
                return -EBADMSG;
        audit->seq = message.seq;
        audit_settle(audit, message.number, true);
        channel_check(audit);
        return 0;
}

static int on_unsafe(struct audit *audit, struct wire *wire)
{
        struct message_unsafe message;
        int r = message_get_unsafe(wire, &message);

        if (r < 0 || message.number > audit->last_number)
                return -EBADMSG;
        audit_settle(audit, message.number, false);
        return 0;
}

static int on_state(struct audit *audit, struct wire *wire)
{
        struct message_audit_state message;
        int r = message_get_audit_state(wire, &message);

        if (r < 0)
                return r;
        audit->state_ok = message.ok;
        snprintf(audit->state_reason, sizeof(audit->state_reason), "%s", message.reason);
        audit->seq = message.seq;
        audit->state_lost = message.lost;
        audit->signed_seq = message.signed_seq;
        audit->signed_usec = message.signed_usec;
        channel_check(audit);
        return 0;
}

static int on_message(struct audit *audit, struct wire *wire)
{
        struct message_head head;
        int r;

        switch (message_type(wire)) {
        case MESSAGE_TYPE_SAFE:
                return on_safe(audit, wire);
        case MESSAGE_TYPE_UNSAFE:
                return on_unsafe(audit, wire);
        case MESSAGE_TYPE_AUDIT_STATE:
                return on_state(audit, wire);
        case MESSAGE_TYPE_HEAD:
                r = message_get_head(wire, &head);
                if (r == 0)
                        audit_head(audit, &head);
                return r;
        default:
                return -EBADMSG;
        }
}

static int receive(struct audit *audit)
{
        uint8_t *buffer = audit->broker->buffer;
        struct wire wire = {.data = buffer};
        int r = channel_receive_plain(audit->fd, buffer, LIMIT_CHANNEL_MESSAGE, &wire.size);

        if (r == 1)
                return -ECONNRESET;
        return r < 0 ? r : on_message(audit, &wire);
}

static int on_channel(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct audit *audit = userdata;
        struct broker *broker = audit->broker;
        int r = 0;

        if (audit->blocked && (events & EPOLLOUT)) {
                audit->blocked = false;
                watch_channel(audit);
                broker->audit_dirty = true;
        }
        for (unsigned i = 0; i < MESSAGES_A_TURN && r == 0 && (events & ~(uint32_t)EPOLLOUT); i++)
                r = receive(audit);
        if (r < 0 && r != -EAGAIN) {
                if (r != -ECONNRESET)
                        log_error("audit: tokend-audit sent what cannot be (%s)", strerror(-r));
                channel_gone(audit);
        }
        broker_settle(broker);
        return 0;
}

int audit_attach(struct broker *broker, int fd)
{
        struct audit *audit = broker->audit;
        int r;

        /* What the last one answered counts. */
        for (r = 0; audit->fd >= 0 && r == 0;)
                r = receive(audit);
        channel_gone(audit);
        audit->fd = fd;
        audit->blocked = false;
        audit->state_ok = true;
        broker->audit_dirty = true;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        else
                r = sd_event_add_io(broker->event, &audit->channel, fd, EPOLLIN, on_channel, audit);
        if (r < 0)
                channel_gone(audit);
        return r < 0 ? r : 0;
}

void audit_head_answer(struct audit *audit, const struct message_head_signed *answer)
{
        /* One that cannot be sent is one that does not come: tokend-audit asks again. */
        if (audit->fd >= 0)
                (void)message_send_head_signed(audit->fd, answer, NULL, 0);
}

static uint64_t channel_tick(struct audit *audit, uint64_t now)
{
        if (audit->fd >= 0 || !audit->ok)
                return USEC_NEVER;
        if (now < audit->gone_usec + GONE_USEC)
                return audit->gone_usec + GONE_USEC;
        audit_set_ok(audit, false, "tokend-audit does not run");
        return USEC_NEVER;
}

/* ---- either ---- */

void sink_unsend(struct audit *audit)
{
        audit->blocked = false;
        LINK_FOREACH(at, &audit->items)
        {
                LINK_OF(at, struct audit_item, link)->sent = false;
        }
}

void sink_flush(struct audit *audit)
{
        if (audit->mode == AUDIT_MODE_JOURNAL)
                journal_flush(audit);
        else if (audit->mode == AUDIT_MODE_FILE)
                channel_flush(audit);
}

uint64_t sink_tick(struct audit *audit, uint64_t now)
{
        return audit->mode == AUDIT_MODE_JOURNAL ? journal_tick(audit, now) : channel_tick(audit, now);
}

void sink_close(struct audit *audit)
{
        channel_gone(audit);
        sd_event_source_disable_unref(audit->journal);
        audit->journal = NULL;
        audit->probing = audit->absent = false;
        audit->retry_usec = USEC_NEVER;
}

void sink_alert(struct audit *audit, const struct audit_record *record)
{
        struct journal_record fields;

        if (audit_journal(record, &fields) < 0)
                return;
        /* This one is lost, and the next finds the new socket. */
        if (audit->journal_fd < 0 || journal_send(audit->journal_fd, &fields) == -ECONNREFUSED)
                control_journal_please(audit->broker);
}
