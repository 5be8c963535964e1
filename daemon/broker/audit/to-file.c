/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Records as messages to tokend-audit, which answers when they are on the disk. When it dies, what it did not answer is sent to
 * the next one: a record may then stand in the file twice, with one number and one attempt, but is not missing.
 */
#include "daemon/broker/audit/to-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/util/log.h"

/* How long there may be no tokend-audit: the supervisor starts another at once. */
#define GONE_USEC USEC_PER_SEC
/* Messages of tokend-audit in one turn of the loop. */
#define MESSAGES_A_TURN 64U

void file_close(struct audit *audit)
{
        if (audit->fd < 0)
                return;
        sd_event_source_disable_unref(audit->channel);
        audit->channel = NULL;
        close(audit->fd);
        audit->fd = -1;
        audit->gone_usec = now_usec();
        records_unsend(audit);
        loop_arm(&audit->broker->loop, audit->gone_usec + GONE_USEC);
}

static void watch_channel(struct audit *audit)
{
        int r = sd_event_source_set_io_events(
                audit->channel, EPOLLIN | (audit->blocked ? (uint32_t)EPOLLOUT : 0U));

        if (r < 0)
                log_error("audit: cannot watch the channel: %s", strerror(-r));
}

void file_flush(struct audit *audit)
{
        struct audit_item *item;

        while (audit->fd >= 0 && !audit->blocked && (item = records_first_unsent(audit))) {
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
                records_set_ok(
                        audit, false, audit->state_reason[0] ? audit->state_reason : "it cannot be written");
        else if (records_overdue_usec(audit) > now_usec())
                records_set_ok(audit, true, "");
}

static int on_safe(struct audit *audit, struct wire *wire)
{
        struct message_safe message;
        int r = message_get_safe(wire, &message);

        if (r < 0 || message.number > audit->last_number)
                return -EBADMSG;
        audit->seq = message.seq;
        records_settle(audit, message.number, true);
        channel_check(audit);
        return 0;
}

static int on_unsafe(struct audit *audit, struct wire *wire)
{
        struct message_unsafe message;
        int r = message_get_unsafe(wire, &message);

        if (r < 0 || message.number > audit->last_number)
                return -EBADMSG;
        records_settle(audit, message.number, false);
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
        audit->rotated_seq = message.rotated_seq;
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
                        audit->on_head(audit, &head);
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
                        log_error("audit: tokend-audit sent an invalid message: %s", strerror(-r));
                file_close(audit);
        }
        loop_settle(&broker->loop);
        return 0;
}

int audit_attach(struct broker *broker, int fd)
{
        struct audit *audit = broker->audit;
        int r;

        /* What the last one answered counts. */
        for (r = 0; audit->fd >= 0 && r == 0;)
                r = receive(audit);
        file_close(audit);
        audit->fd = fd;
        audit->blocked = false;
        audit->state_ok = true;
        broker->audit_dirty = true;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                r = -errno;
        else
                r = sd_event_add_io(broker->loop.event, &audit->channel, fd, EPOLLIN, on_channel, audit);
        if (r < 0)
                file_close(audit);
        return r < 0 ? r : 0;
}

void audit_head_answer(struct audit *audit, const struct message_head_signed *answer)
{
        /* One that cannot be sent is one that does not come: tokend-audit asks again. */
        if (audit->fd >= 0)
                (void)message_send_head_signed(audit->fd, answer, NULL, 0);
}

uint64_t file_tick(struct audit *audit, uint64_t now)
{
        if (audit->fd >= 0 || !audit->ok)
                return USEC_NEVER;
        if (now < audit->gone_usec + GONE_USEC)
                return audit->gone_usec + GONE_USEC;
        records_set_ok(audit, false, "tokend-audit does not run");
        return USEC_NEVER;
}
