/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-process.h. */
#include "daemon/supervisor/audit-process.h"

#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/timer.h"
#include "daemon/util/log.h"

/* An fsync of a failing disk may take long, and a kill does not make it faster. */
#define AUDIT_LIMIT_USEC (30 * USEC_PER_SEC)
/* For the signature of the head at the end. */
#define AUDIT_DRAIN_USEC (3 * USEC_PER_SEC)

static const struct child_class audit_class;

void audit_process_init(struct audit_process *audit, struct supervisor *supervisor)
{
        *audit = (struct audit_process){.supervisor = supervisor};
        child_init(&audit->child, supervisor->event, &audit_class, audit, "tokend-audit", NULL);
        audit->child.ping_limit_usec = AUDIT_LIMIT_USEC;
}

void audit_process_done(struct audit_process *audit)
{
        child_done(&audit->child);
        audit->timer = sd_event_source_disable_unref(audit->timer);
        free(TAKE_PTR(audit->path));
}

/* ---- what it is told ---- */

static void tell_start(struct audit_process *audit)
{
        const struct config *config = audit->supervisor->config;

        (void)child_tell(&audit->child, audit_start, -1, .version = MESSAGE_VERSION, .path = audit->path,
                .rotate_size = config->audit_rotate_size,
                .sign_interval_usec = config->audit_key ? config->audit_sign_interval_usec : 0,
                .keep_days = config->audit_keep);
}

void audit_process_rotate(struct audit_process *audit)
{
        if (audit->path)
                (void)child_tell(&audit->child, audit_rotate, -1, .unused = 0);
        else
                log_notice("a new audit file was asked for, but Audit= names no file");
}

/* fd: the broker's end of an audit channel. */
static void tell_broker(struct audit_process *audit, int fd)
{
        (void)child_tell(&audit->supervisor->broker.child, channel, fd, .epoch = 0);
}

void audit_process_connect(struct audit_process *audit)
{
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        if (!child_is_live(&audit->child))
                return;
        r = channel_pair(fds);
        if (r < 0) {
                log_error("a channel between tokend-audit and the broker cannot be made: %s", strerror(-r));
                return;
        }
        ours = fds[0];
        theirs = fds[1];
        if (child_tell(&audit->child, channel, theirs, .epoch = 0) == 0)
                tell_broker(audit, ours);
}

/* ---- its life ---- */

static void start(struct audit_process *audit);

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct audit_process *audit = userdata;

        if (audit->draining) {
                log_warning("tokend-audit did not sign the end of its file in time");
                audit->draining = false;
        } else if (audit->supervisor->phase != PHASE_CLOSING && audit->path && audit->child.pid == 0)
                start(audit);
        return 0;
}

static void start_again(struct audit_process *audit)
{
        timer_set(audit->supervisor->event, &audit->timer, child_next_start(&audit->child), on_timer, audit);
}

static void start(struct audit_process *audit)
{
        char *argv[] = {(char[]){"tokend-audit"}, NULL};
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        audit->child.started_usec = now_usec();
        r = channel_pair(fds);
        if (r == 0) {
                ours = fds[0];
                theirs = fds[1];
                r = child_start(&audit->child, "tokend-audit", argv, NULL, theirs);
        }
        if (r < 0) {
                log_error("tokend-audit cannot be started: %s", strerror(-r));
                start_again(audit);
                return;
        }
        tell_start(audit);
        (void)child_tick(&audit->child, now_usec(), false);
        tell_broker(audit, ours);
}

void audit_process_configure(struct audit_process *audit)
{
        const char *path = config_audit_path(audit->supervisor->config);
        bool same = path && audit->path && strcmp(path, audit->path) == 0;

        if (same) {
                tell_start(audit);
                return;
        }
        free(TAKE_PTR(audit->path));
        if (path) {
                audit->path = strdup(path);
                if (!audit->path)
                        log_error("tokend-audit cannot be started: %s", strerror(ENOMEM));
        }
        audit->child.n_short = 0;
        /* There is one process at a time: the next one starts when this one has written what it has. */
        if (audit->child.pid > 0)
                child_end(&audit->child);
        else if (audit->path)
                start(audit);
}

static void on_gone(struct child *child, const char *how)
{
        struct audit_process *audit = child->userdata;
        bool draining = audit->draining;

        audit->draining = false;
        if (draining || audit->supervisor->phase == PHASE_CLOSING || !audit->path)
                return;
        log_warning("tokend-audit %s; another is started", how);
        start_again(audit);
}

/* ---- the end ---- */

void audit_process_drain(struct audit_process *audit)
{
        uint64_t deadline = now_usec() + AUDIT_DRAIN_USEC;

        if (child_tell(&audit->child, drain, -1, .deadline_usec = deadline) < 0)
                return;
        audit->draining = true;
        timer_set(audit->supervisor->event, &audit->timer, deadline + USEC_PER_SEC / 2, on_timer, audit);
}

/* ---- what it says ---- */

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct audit_process *audit = child->userdata;
        struct message_drained message;
        int r = type == MESSAGE_TYPE_DRAINED ? message_get_drained(wire, &message) : -EBADMSG;

        if (r == 0 && !supervisor_is_stopping(audit->supervisor))
                r = -EBADMSG;
        if (r == 0)
                audit->draining = false;
        return r;
}

static const struct child_class audit_class = {.on_message = on_message, .on_exit = on_gone};
