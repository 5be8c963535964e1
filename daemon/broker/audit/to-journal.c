/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Records as datagrams on a socket that was connected to journald early, or by the supervisor. journald has a record when it
 * has read it, which the kernel's count of unread bytes tells.
 */
#include "daemon/broker/audit/to-journal.h"

#include <string.h>
#include <sys/epoll.h>

#include "daemon/util/log.h"

/* When a journal that does not read is looked at again: the kernel tells of it only under some conditions. */
#define LOOK_USEC (50 * USEC_PER_MSEC)
/* When a journal that is lost is tried again; and where it need not be there, and perhaps never was. */
#define RETRY_USEC      (500 * USEC_PER_MSEC)
#define RETRY_IDLE_USEC (10 * USEC_PER_SEC)

static int on_journal(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct audit *audit = userdata;

        audit->blocked = false;
        audit->broker->audit_dirty = true;
        loop_settle(&audit->broker->loop);
        return 0;
}

/* Edge-triggered: each datagram that journald has read is an event, once there is room again. */
static void watch_journal(struct audit *audit, bool on)
{
        int r;

        if (!audit->journal && on)
                r = sd_event_add_io(audit->broker->loop.event, &audit->journal, audit->journal_fd,
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
        struct link all;

        /* Those of now: who goes on may put others. */
        link_init(&all);
        link_append_all(&all, &audit->items);
        while (!link_is_empty(&all)) {
                struct audit_item *item = LINK_OF(all.next, struct audit_item, link);

                if (audit->required) {
                        link_remove(&item->link);
                        link_append(&audit->items, &item->link);
                        records_release(audit, item, false);
                } else {
                        audit->lost++;
                        records_drop(audit, item);
                }
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
        records_set_ok(
                audit, false, r == -ENOENT || r == -ECONNREFUSED ? "journald does not run" : strerror(-r));
        loop_arm(&audit->broker->loop, audit->retry_usec);
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
                loop_arm(&audit->broker->loop, now_usec() + LOOK_USEC);
                return;
        }
        LINK_FOREACH(at, &audit->items)
        {
                const struct audit_item *item = LINK_OF(at, struct audit_item, link);

                if (!item->sent)
                        break;
                number = item->number;
        }
        records_settle(audit, number, true);
        if (!audit->ok && !audit->absent && !audit->blocked)
                records_set_ok(audit, true, "");
}

void journal_flush(struct audit *audit)
{
        struct audit_item *item;

        if (audit->absent && audit->retry_usec > now_usec()) {
                drop_unkept(audit);
                return;
        }
        while (!audit->blocked && (item = records_first_unsent(audit))) {
                int r = journal_send_data(audit, item->data, item->length);

                if (r == 0) {
                        item->sent = true;
                        audit->absent = false;
                } else if (r == -EAGAIN) {
                        audit->blocked = true;
                        loop_arm(&audit->broker->loop, now_usec() + LOOK_USEC);
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

uint64_t journal_tick(struct audit *audit, uint64_t now)
{
        if (audit->absent) {
                if (now < audit->retry_usec)
                        return audit->retry_usec;
                uplink_journal_please(&audit->broker->uplink);
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
        records_unsend(audit);
        audit->retry_usec = now_usec();
        if (audit->absent && link_is_empty(&audit->items))
                journal_probe(audit);
        journal_flush(audit);
        loop_arm(&broker->loop, audit->retry_usec);
}

void journal_close(struct audit *audit)
{
        audit->journal = sd_event_source_disable_unref(audit->journal);
        audit->probing = audit->absent = false;
        audit->retry_usec = USEC_NEVER;
}
