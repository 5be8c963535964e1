/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-broker.h. */
#include "daemon/broker/audit/audit-broker.h"

#include <string.h>

#include "daemon/broker/audit/to-file.h"
#include "daemon/broker/audit/to-journal.h"
#include "daemon/util/journal.h"
#include "daemon/util/log.h"
#include "gen/broker/base/replies.h"

static void flush(struct audit *audit)
{
        if (audit->mode == AUDIT_MODE_JOURNAL)
                journal_flush(audit);
        else if (audit->mode == AUDIT_MODE_FILE)
                file_flush(audit);
}

static void close_ways(struct audit *audit)
{
        file_close(audit);
        journal_close(audit);
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
        audit->since_usec = broker->last_request = wall_usec();
        audit->retry_usec = USEC_NEVER;
        link_init(&audit->items);
        /* The first time of day that the C library makes reads a file. */
        audit_time(audit->since_usec, time);
        r = journal_open(JOURNAL_SOCKET, &audit->journal_fd);
        if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
                log_warning("audit: cannot connect to the journal: %s", strerror(-r));
        return 0;
}

void audit_stop(struct broker *broker)
{
        struct audit *audit = broker->audit;

        if (!audit)
                return;
        /* A journal that did not take everything in time does not take it now. */
        flush(audit);
        while (!link_is_empty(&audit->items))
                records_drop(audit, LINK_OF(audit->items.next, struct audit_item, link));
        close_ways(audit);
        if (audit->journal_fd >= 0)
                close(audit->journal_fd);
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
        audit->path = path;
        if (!moved)
                return;
        flush(audit);
        /* The next channel is the new file's. Records of one way are not written the other way. */
        close_ways(audit);
        records_unsend(audit);
        if (mode != audit->mode) {
                if (audit->mode != AUDIT_MODE_NONE)
                        LINK_FOREACH(at, &audit->items)
                        {
                                audit->lost++;
                        }
                records_settle(audit, UINT64_MAX, false);
        }
        audit->mode = mode;
        audit->ok = audit->state_ok = true;
        audit->reason[0] = '\0';
        audit->since_usec = wall_usec();
        audit->gone_usec = now_usec();
        audit->seq = audit->signed_seq = audit->signed_usec = audit->rotated_seq = audit->state_lost = 0;
        if (mode == AUDIT_MODE_JOURNAL && audit->journal_fd < 0) {
                audit->absent = true;
                audit->retry_usec = audit->gone_usec;
                records_set_ok(audit, false, "journald does not run");
        }
        loop_arm(&broker->loop, audit->gone_usec);
}

void audit_flush(struct broker *broker)
{
        broker->audit_dirty = false;
        flush(broker->audit);
}

uint64_t audit_tick(struct broker *broker, uint64_t now)
{
        struct audit *audit = broker->audit;
        uint64_t next, sink;

        if (audit->mode == AUDIT_MODE_NONE)
                return USEC_NEVER;
        sink = audit->mode == AUDIT_MODE_JOURNAL ? journal_tick(audit, now) : file_tick(audit, now);
        if (audit->ok && records_overdue_usec(audit) <= now)
                records_set_ok(audit, false,
                        audit->mode == AUDIT_MODE_FILE ? "tokend-audit does not answer"
                                                       : "journald does not read");
        next = records_tick(audit, now);
        if (audit->ok)
                next = MIN_OF(next, records_overdue_usec(audit));
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
        const char *path = config_audit_path(broker->config);

        status_audit_put(output, &(struct status_audit){
                                         .mode = modes[audit->mode],
                                         .required = audit->required,
                                         .ok = audit->ok,
                                         .reason = audit->reason,
                                         .since_usec = audit->since_usec,
                                         .seq = audit->seq,
                                         .signed_seq = audit->signed_seq,
                                         .signed_usec = audit->signed_usec,
                                         .rotated_seq = audit->rotated_seq,
                                         .lost = audit_lost(audit),
                                         .file = path ? path : "",
                                 });
}
