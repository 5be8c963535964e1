/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend-audit's life: started with Audit=file:, connected to the broker, started again when it dies, and the last to end,
 * because until then there may be something to record. It writes a disk that may be slow: it has more time to answer than
 * the others.
 */
#include <signal.h>
#include <string.h>

#include "daemon/supervisor/spawn.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/util/log.h"

/* A life that was shorter was of no use to anybody. */
#define SHORT_LIFE_USEC USEC_PER_SEC
/* An fsync of a sick disk may take long, and is not made faster by a kill. */
#define AUDIT_LIMIT_USEC (30 * USEC_PER_SEC)
/* For the signature of the head at the end. */
#define AUDIT_DRAIN_USEC (3 * USEC_PER_SEC)

static const struct child_class audit_class;

void audit_process_init(struct audit_process *audit, struct supervisor *supervisor)
{
        *audit = (struct audit_process){.supervisor = supervisor};
        child_init(&audit->child, supervisor->event, &audit_class, audit, "tokend-audit", NULL);
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
        const struct message_audit_start start = {
                .version = MESSAGE_VERSION,
                .path = audit->path,
                .rotate_size = config->audit_rotate_size,
                .sign_interval_usec = config->audit_key ? config->audit_sign_interval_usec : 0,
        };

        if (child_is_live(&audit->child))
                child_sent(&audit->child, message_send_audit_start(audit->child.control_fd, &start, NULL, 0));
}

void audit_process_rotate(struct audit_process *audit)
{
        if (!audit->path) {
                log_notice("SIGUSR1 starts a new audit file, and Audit= names none");
                return;
        }
        if (child_is_live(&audit->child))
                child_sent(&audit->child, message_send_audit_rotate(audit->child.control_fd,
                                                  &(struct message_audit_rotate){.unused = 0}, NULL, 0));
}

void audit_process_connect(struct audit_process *audit)
{
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        if (!child_is_live(&audit->child))
                return;
        r = channel_pair(fds);
        if (r < 0) {
                log_error("no channel to tokend-audit can be made: %s", strerror(-r));
                return;
        }
        ours = fds[0];
        theirs = fds[1];
        r = message_send_channel(audit->child.control_fd, &(struct message_channel){.epoch = 0}, &theirs, 1);
        child_sent(&audit->child, r);
        if (r == 0)
                broker_tell_audit(&audit->supervisor->broker, ours);
}

/* ---- its life ---- */

static void start(struct audit_process *audit);

static void drain_over(struct audit_process *audit)
{
        log_warning("tokend-audit did not sign the end of its file in time");
        audit->draining = false;
        audit->drained = true;
        supervisor_drained(audit->supervisor);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct audit_process *audit = userdata;

        if (audit->draining)
                drain_over(audit);
        else if (!audit->supervisor->closing && audit->path && audit->child.pid == 0)
                start(audit);
        return 0;
}

static void start_again(struct audit_process *audit)
{
        uint64_t wait;

        if (now_usec() - audit->started_usec < SHORT_LIFE_USEC)
                audit->n_short++;
        else
                audit->n_short = 0;
        /* The first time at once. */
        wait = audit->n_short > 1 ? backoff_usec(audit->n_short - 2) : 0;
        timer_set(audit->supervisor, &audit->timer, now_usec() + wait, on_timer, audit);
}

static int start_process(struct audit_process *audit, int request_fd)
{
        char *argv[] = {(char[]){"tokend-audit"}, NULL};
        _cleanup_(freep) char **environment = NULL;
        int r;

        r = environment_of_broker(&environment);
        return r < 0 ? r : child_start(&audit->child, "tokend-audit", argv, environment, request_fd);
}

static void start(struct audit_process *audit)
{
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        audit->started_usec = now_usec();
        r = channel_pair(fds);
        if (r == 0) {
                ours = fds[0];
                theirs = fds[1];
                r = start_process(audit, theirs);
        }
        if (r < 0) {
                log_error("tokend-audit cannot be started: %s", strerror(-r));
                start_again(audit);
                return;
        }
        tell_start(audit);
        child_ping(&audit->child, audit->started_usec, false);
        broker_tell_audit(&audit->supervisor->broker, ours);
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
        audit->n_short = 0;
        /* One at a time: the next starts when this one has written what it has. */
        if (audit->child.pid > 0)
                child_end(&audit->child);
        else if (audit->path)
                start(audit);
}

static void on_gone(struct child *child, const char *how)
{
        struct audit_process *audit = child->userdata;
        struct supervisor *supervisor = audit->supervisor;
        bool draining = audit->draining;

        audit->draining = false;
        if (supervisor->closing) {
                supervisor_reaped(supervisor);
                return;
        }
        if (draining) {
                audit->drained = true;
                supervisor_drained(supervisor);
                return;
        }
        if (!audit->path)
                return;
        log_warning("tokend-audit %s; another is started", how);
        start_again(audit);
}

void audit_process_tick(struct audit_process *audit, uint64_t now, bool forgive)
{
        const struct child *child = &audit->child;

        if (!forgive && child_is_live(child) && child->ping_usec > 0 &&
                now >= child->ping_usec + AUDIT_LIMIT_USEC)
                child_kill(&audit->child, "it did not answer for 30 s");
        child_ping(&audit->child, now, forgive);
}

/* ---- the end ---- */

int audit_process_drain(struct audit_process *audit)
{
        struct supervisor *supervisor = audit->supervisor;
        uint64_t deadline = now_usec() + AUDIT_DRAIN_USEC;

        if (audit->draining)
                return 1;
        if (audit->drained || !child_is_live(&audit->child))
                return 0;
        audit->draining = true;
        child_sent(&audit->child, message_send_drain(audit->child.control_fd,
                                          &(struct message_drain){.deadline_usec = deadline}, NULL, 0));
        timer_set(supervisor, &audit->timer, deadline + USEC_PER_SEC / 2, on_timer, audit);
        return 1;
}

/* ---- what it says ---- */

static int on_drained(struct audit_process *audit, struct wire *wire)
{
        struct message_drained message;
        int r = message_get_drained(wire, &message);

        if (r == 0 && !audit->supervisor->stopping)
                r = -EBADMSG;
        if (r < 0 || !audit->draining)
                return r;
        audit->draining = false;
        audit->drained = true;
        supervisor_drained(audit->supervisor);
        return 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct audit_process *audit = child->userdata;
        struct message_pong pong;
        int r;

        switch (type) {
        case MESSAGE_TYPE_PONG:
                r = message_get_pong(wire, &pong);
                return r < 0 ? r : child_pong(child, pong.number);
        case MESSAGE_TYPE_DRAINED:
                return on_drained(audit, wire);
        default:
                return -EBADMSG;
        }
}

static const struct child_class audit_class = {.on_message = on_message, .on_exit = on_gone};
