/* SPDX-License-Identifier: MPL-2.0 */
/* See audit.h. */
#include "daemon/broker/audit.h"

#include <stdio.h>
#include <string.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/request.h"
#include "daemon/util/log.h"
#include "gen/broker/base/replies.h"

/* How long a reply waits for its record, and after which silence records count as not kept. */
#define FILE_USEC    (5 * USEC_PER_SEC)
#define JOURNAL_USEC USEC_PER_SEC

static uint64_t limit_usec(const struct audit *audit)
{
        return audit->mode == AUDIT_MODE_FILE ? FILE_USEC : JOURNAL_USEC;
}

int audit_start(struct broker *broker)
{
        struct audit *audit = calloc(1, sizeof(*audit));
        char time[AUDIT_TIME_SIZE];
        int r;

        if (!audit)
                return -ENOMEM;
        broker->audit = audit;
        audit->broker = broker;
        audit->fd = audit->journal_fd = -1;
        audit->ok = audit->state_ok = true;
        audit->since_usec = audit->last_request = wall_usec();
        audit->retry_usec = USEC_NEVER;
        link_init(&audit->items);
        /* The first time of day that the C library makes reads a file. */
        audit_time(audit->since_usec, time);
        r = journal_open(JOURNAL_SOCKET, &audit->journal_fd);
        if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
                log_warning("audit: cannot connect to the journal: %s", strerror(-r));
        return 0;
}

static void drop_item(struct audit *audit, struct audit_item *item)
{
        link_remove(&item->link);
        audit->n_bytes -= sizeof(*item) + item->length;
        if (item->request)
                item->request->audit = NULL;
        free(item);
}

void audit_stop(struct broker *broker)
{
        struct audit *audit = broker->audit;

        if (!audit)
                return;
        /* A journal that did not take everything in time does not take it now. */
        LINK_FOREACH(at, &audit->items)
        {
                struct audit_item *item = LINK_OF(at, struct audit_item, link);

                if (item->job)
                        audit_job_dropped(audit, TAKE_PTR(item->job));
        }
        sink_flush(audit);
        while (!link_is_empty(&audit->items))
                drop_item(audit, LINK_OF(audit->items.next, struct audit_item, link));
        sink_close(audit);
        if (audit->journal_fd >= 0)
                close(audit->journal_fd);
        free(audit->path);
        free(audit);
        broker->audit = NULL;
}

void audit_configure(struct broker *broker)
{
        struct audit *audit = broker->audit;
        const struct config *config = broker->config;
        enum audit_mode mode = config_audit_mode(config);
        const char *path = config_audit_path(config);
        bool moved = mode != audit->mode || !path != !audit->path || (path && strcmp(path, audit->path) != 0);

        audit->required = config->audit_required;
        if (!moved)
                return;
        sink_flush(audit);
        /* The next channel is the new file's. Records of one way are not written the other way. */
        sink_close(audit);
        sink_unsend(audit);
        if (mode != audit->mode) {
                if (audit->mode != AUDIT_MODE_NONE)
                        LINK_FOREACH(at, &audit->items)
                        {
                                audit->lost++;
                        }
                audit_settle(audit, UINT64_MAX, false);
        }
        free(audit->path);
        audit->path = path ? strdup(path) : NULL;
        audit->mode = mode;
        audit->ok = audit->state_ok = true;
        audit->reason[0] = '\0';
        audit->since_usec = wall_usec();
        audit->gone_usec = now_usec();
        audit->seq = audit->signed_seq = audit->signed_usec = audit->state_lost = 0;
        if (mode == AUDIT_MODE_JOURNAL && audit->journal_fd < 0) {
                audit->absent = true;
                audit->retry_usec = audit->gone_usec;
                audit_set_ok(audit, false, "there is no journald");
        }
        broker_arm(broker, audit->gone_usec);
}

/* ---- whether records are kept ---- */

void audit_set_ok(struct audit *audit, bool ok, const char *reason)
{
        bool told = audit->probing;

        snprintf(audit->reason, sizeof(audit->reason), "%s", ok ? "" : reason);
        if (audit->ok == ok)
                return;
        audit->ok = ok;
        audit->since_usec = wall_usec();
        audit->probing = false;
        if (ok) {
                uint64_t lost = audit->lost - audit->lost_before;

                log_notice("audit: records are kept again; %llu were not", (unsigned long long)lost);
                if (!told)
                        sink_alert(audit, &(struct audit_record){.kind = AUDIT_BACK,
                                                  .when_usec = audit->since_usec,
                                                  .result = "ok",
                                                  .count = lost});
                return;
        }
        audit->lost_before = audit->lost;
        if (audit->required)
                log_error("audit: records are not kept, and AuditRequired=yes: keys cannot be used: %s",
                        reason);
        else
                log_warning("audit: records are not kept: %s", reason);
        sink_alert(audit, &(struct audit_record){.kind = AUDIT_LOST,
                                  .when_usec = audit->since_usec,
                                  .result = "failed",
                                  .reason = reason});
}

bool audit_refuses(const struct broker *broker)
{
        const struct audit *audit = broker->audit;

        return audit->required && audit->mode != AUDIT_MODE_NONE && !audit->ok;
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

int audit_put(struct audit *audit, const struct audit_record *record, struct request *request)
{
        struct audit_item *item;
        int r;

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
        if (request && (audit->required || (audit->ok && audit->mode == AUDIT_MODE_FILE))) {
                item->request = request;
                request->audit = item;
                broker_arm(audit->broker, MIN_OF(item->put_usec + limit_usec(audit), request->deadline_usec));
        }
        return 0;
}

void audit_release(struct audit *audit, struct audit_item *item, bool safe)
{
        struct request *request = item->request;

        if (item->job)
                audit_job_goes_on(audit, TAKE_PTR(item->job), safe || !audit->required);
        if (!request)
                return;
        item->request = NULL;
        request->audit = NULL;
        if (request->held_job)
                request_go_on(request, safe || !audit->required);
        else if (!safe && audit->required && audit_withholds(request))
                request_fail_unrecorded(request);
        connection_touch(request->connection);
}

void audit_settle(struct audit *audit, uint64_t number, bool safe)
{
        while (!link_is_empty(&audit->items)) {
                struct audit_item *item = LINK_OF(audit->items.next, struct audit_item, link);

                if (item->number > number)
                        break;
                link_remove(&item->link);
                audit->n_bytes -= sizeof(*item) + item->length;
                audit_release(audit, item, safe);
                free(item);
        }
}

void audit_flush(struct broker *broker)
{
        broker->audit_dirty = false;
        sink_flush(broker->audit);
}

/* ---- time ---- */

/* Who has waited long enough goes on; the record stays. */
static uint64_t tick_waiting(struct audit *audit, uint64_t now)
{
        uint64_t next = USEC_NEVER;

        LINK_FOREACH_SAFE(at, &audit->items)
        {
                struct audit_item *item = LINK_OF(at, struct audit_item, link);
                uint64_t due;

                if (!item->request && !item->job)
                        continue;
                due = MIN_OF(item->put_usec + limit_usec(audit),
                        item->job ? item->job->deadline_usec : item->request->deadline_usec);
                if (due <= now)
                        audit_release(audit, item, false);
                else
                        next = MIN_OF(next, due);
        }
        return next;
}

uint64_t audit_overdue_usec(const struct audit *audit)
{
        if (link_is_empty(&audit->items))
                return USEC_NEVER;
        return LINK_OF(audit->items.next, struct audit_item, link)->put_usec + limit_usec(audit);
}

uint64_t audit_tick(struct broker *broker, uint64_t now)
{
        struct audit *audit = broker->audit;
        uint64_t next, sink;

        if (audit->mode == AUDIT_MODE_NONE)
                return USEC_NEVER;
        sink = sink_tick(audit, now);
        if (audit->ok && audit_overdue_usec(audit) <= now)
                audit_set_ok(audit, false,
                        audit->mode == AUDIT_MODE_FILE ? "tokend-audit does not answer"
                                                       : "journald does not read");
        next = tick_waiting(audit, now);
        if (audit->ok)
                next = MIN_OF(next, audit_overdue_usec(audit));
        return MIN_OF(next, sink);
}

/* ---- the status ---- */

uint64_t audit_lost(const struct audit *audit)
{
        return audit->lost + audit->state_lost;
}

void audit_put_status(struct output *output, void *userdata)
{
        static const char *const modes[] = {
                [AUDIT_MODE_NONE] = "none", [AUDIT_MODE_JOURNAL] = "journal", [AUDIT_MODE_FILE] = "file"};
        const struct broker *broker = userdata;
        const struct audit *audit = broker->audit;

        status_audit_put(output, &(struct status_audit){
                                         .mode = modes[audit->mode],
                                         .required = audit->required,
                                         .ok = audit->ok,
                                         .reason = audit->reason,
                                         .since_usec = audit->since_usec,
                                         .seq = audit->seq,
                                         .signed_seq = audit->signed_seq,
                                         .signed_usec = audit->signed_usec,
                                         .lost = audit_lost(audit),
                                 });
}
