/* SPDX-License-Identifier: MPL-2.0 */
/* See records.h. */
#include "daemon/broker/audit/records.h"

#include <stdio.h>
#include <string.h>

#include "daemon/util/journal.h"
#include "daemon/util/log.h"

/* How long a reply waits for its record, and after which silence records count as not kept. */
#define FILE_USEC    (5 * USEC_PER_SEC)
#define JOURNAL_USEC USEC_PER_SEC

static uint64_t limit_usec(const struct audit *audit)
{
        return audit->mode == AUDIT_MODE_FILE ? FILE_USEC : JOURNAL_USEC;
}

bool audit_refuses(const struct audit *audit)
{
        return audit->required && audit_is_kept(audit) && !audit->ok;
}

/* ---- whether records are kept ---- */

/* Best effort: what an operator should see at once. */
static void alert(const struct audit *audit, const struct audit_record *record)
{
        struct journal_record fields;

        if (audit_journal(record, &fields) < 0)
                return;
        /* This record is lost, and the next finds the new socket. */
        if (audit->journal_fd < 0 || journal_send(audit->journal_fd, &fields) == -ECONNREFUSED)
                uplink_journal_please(&audit->broker->uplink);
}

static void say_kept(struct audit *audit, bool told)
{
        uint64_t lost = audit->lost - audit->lost_before;

        log_notice("audit: records are kept again; %llu were lost", (unsigned long long)lost);
        if (!told)
                alert(audit, &(struct audit_record){.kind = AUDIT_BACK,
                                     .when_usec = audit->since_usec,
                                     .result = "ok",
                                     .count = lost});
}

static void say_lost(struct audit *audit, const char *reason)
{
        audit->lost_before = audit->lost;
        if (audit->required)
                log_error("audit: records are not kept, and AuditRequired=yes: keys cannot be used: %s",
                        reason);
        else
                log_warning("audit: records are not kept: %s", reason);
        alert(audit, &(struct audit_record){.kind = AUDIT_LOST,
                             .when_usec = audit->since_usec,
                             .result = "failed",
                             .reason = reason});
}

void records_set_ok(struct audit *audit, bool ok, const char *reason)
{
        bool told = audit->probing;

        snprintf(audit->reason, sizeof(audit->reason), "%s", ok ? "" : reason);
        if (audit->ok == ok)
                return;
        audit->ok = ok;
        audit->since_usec = wall_usec();
        audit->probing = false;
        if (ok)
                say_kept(audit, told);
        else
                say_lost(audit, reason);
}

/* ---- records ---- */

static struct audit_item *item_new(const struct audit *audit, const struct audit_record *record, int *ret_r)
{
        char json[LIMIT_AUDIT_RECORD + 1];
        struct journal_record fields;
        const char *data = json;
        struct audit_item *item;
        size_t length;

        if (audit->mode == AUDIT_MODE_FILE)
                *ret_r = audit_json(record, json, sizeof(json), &length);
        else {
                *ret_r = audit_journal(record, &fields);
                data = fields.data;
                length = fields.length;
        }
        if (*ret_r < 0)
                return NULL;
        *ret_r = -ENOBUFS;
        if (audit->n_bytes + sizeof(*item) + length > LIMIT_AUDIT_BACKLOG)
                return NULL;
        *ret_r = -ENOMEM;
        item = malloc(sizeof(*item) + length + 1);
        if (!item)
                return NULL;
        *item = (struct audit_item){.length = length};
        link_init(&item->link);
        memcpy(item->data, data, length);
        item->data[length] = '\0';
        return item;
}

int audit_put(struct audit *audit, const struct audit_record *record,
        void (*waiter)(void *userdata, bool may), void *userdata, uint64_t deadline_usec,
        struct audit_item **ret_item)
{
        struct audit_item *item;
        int r;

        if (ret_item)
                *ret_item = NULL;
        /* Where there is no journal, and need not be one, nothing is even written out. */
        if (audit->absent && !audit->required && audit->retry_usec > now_usec()) {
                audit->lost++;
                return 0;
        }
        item = item_new(audit, record, &r);
        if (!item) {
                audit->lost++;
                return r;
        }
        item->number = ++audit->last_number;
        item->put_usec = now_usec();
        link_append(&audit->items, &item->link);
        audit->n_bytes += sizeof(*item) + item->length;
        audit->broker->audit_dirty = true;
        /* What cannot be kept now is not waited for, unless it must be kept. */
        if (waiter && (audit->required || (audit->ok && audit->mode == AUDIT_MODE_FILE))) {
                item->waiter = waiter;
                item->userdata = userdata;
                item->deadline_usec = MIN_OF(item->put_usec + limit_usec(audit), deadline_usec);
                *ret_item = item;
                loop_arm(&audit->broker->loop, item->deadline_usec);
        }
        return 0;
}

void audit_forget(struct audit_item *item)
{
        item->waiter = NULL;
}

void audit_login(struct audit *audit, const char *token, bool ok, const char *reason)
{
        const struct audit_record record = {
                .kind = AUDIT_LOGIN,
                .when_usec = wall_usec(),
                .token = token,
                .result = ok ? "ok" : "failed",
                .reason = reason,
        };

        if (audit_is_kept(audit))
                (void)audit_put(audit, &record, NULL, NULL, 0, NULL);
}

/* ---- for the ways out ---- */

struct audit_item *records_first_unsent(struct audit *audit)
{
        struct audit_item *found = NULL;

        /* From the end: what is unsent is young. */
        for (struct link *at = audit->items.prev; at != &audit->items; at = at->prev) {
                struct audit_item *item = LINK_OF(at, struct audit_item, link);

                if (item->sent)
                        break;
                found = item;
        }
        return found;
}

void records_release(struct audit *audit, struct audit_item *item, bool safe)
{
        void (*waiter)(void *, bool) = TAKE_PTR(item->waiter);

        if (waiter)
                waiter(item->userdata, safe || !audit->required);
}

void records_drop(struct audit *audit, struct audit_item *item)
{
        link_remove(&item->link);
        audit->n_bytes -= sizeof(*item) + item->length;
        records_release(audit, item, false);
        free(item);
}

void records_settle(struct audit *audit, uint64_t number, bool safe)
{
        while (!link_is_empty(&audit->items)) {
                struct audit_item *item = LINK_OF(audit->items.next, struct audit_item, link);

                if (item->number > number)
                        break;
                link_remove(&item->link);
                audit->n_bytes -= sizeof(*item) + item->length;
                records_release(audit, item, safe);
                free(item);
        }
}

void records_unsend(struct audit *audit)
{
        audit->blocked = false;
        LINK_FOREACH(at, &audit->items)
        {
                LINK_OF(at, struct audit_item, link)->sent = false;
        }
}

/* ---- time ---- */

uint64_t records_overdue_usec(const struct audit *audit)
{
        if (link_is_empty(&audit->items))
                return USEC_NEVER;
        return LINK_OF(audit->items.next, struct audit_item, link)->put_usec + limit_usec(audit);
}

/* The first that is due; NULL: none. *ret_next: when the next one is. */
static struct audit_item *first_due(struct audit *audit, uint64_t now, uint64_t *ret_next)
{
        uint64_t next = USEC_NEVER;

        LINK_FOREACH(at, &audit->items)
        {
                struct audit_item *item = LINK_OF(at, struct audit_item, link);

                if (!item->waiter)
                        continue;
                if (item->deadline_usec <= now)
                        return item;
                next = MIN_OF(next, item->deadline_usec);
        }
        *ret_next = next;
        return NULL;
}

uint64_t records_tick(struct audit *audit, uint64_t now)
{
        struct audit_item *item;
        uint64_t next = USEC_NEVER;

        /* From the beginning each time: who goes on may put other records. */
        while ((item = first_due(audit, now, &next)))
                records_release(audit, item, false);
        return next;
}
