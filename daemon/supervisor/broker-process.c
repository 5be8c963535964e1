/* SPDX-License-Identifier: MPL-2.0 */
/* See broker-process.h. */
#include "daemon/supervisor/broker-process.h"

#include <string.h>

#include "daemon/supervisor/maintain.h"
#include "daemon/supervisor/process-unit.h"
#include "daemon/supervisor/section.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/timer.h"
#include "daemon/supervisor/token-looks.h"
#include "daemon/util/journal.h"
#include "daemon/util/log.h"

static const struct child_class broker_class;

void broker_process_init(struct broker_process *broker, struct supervisor *supervisor)
{
        *broker = (struct broker_process){.supervisor = supervisor};
        child_init(&broker->child, supervisor->event, &broker_class, broker, "tokend-broker", NULL);
}

void broker_process_done(struct broker_process *broker)
{
        child_done(&broker->child);
        broker->timer = sd_event_source_disable_unref(broker->timer);
}

/* ---- its life ---- */

static void tell_everything(struct broker_process *broker)
{
        struct supervisor *supervisor = broker->supervisor;

        section_tell_all(supervisor, true);
        section_tell_state(supervisor);
        audit_process_connect(&supervisor->audit);
        (void)child_tell(&broker->child, listen, supervisor->sockets.keys.fd, .kind = LISTEN_KEYS);
        (void)child_tell(&broker->child, listen, supervisor->sockets.status.fd, .kind = LISTEN_STATUS);
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                if (!supervisor->tokens[i]->config)
                        continue;
                supervised_token_tell(supervisor->tokens[i]);
                supervised_token_connect(supervisor->tokens[i]);
        }
        (void)child_tell(&broker->child, go, -1, .unused = 0);
        (void)child_tick(&broker->child, now_usec(), false);
}

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct broker_process *broker = userdata;

        if (!supervisor_is_stopping(broker->supervisor))
                broker_process_start(broker);
        return 0;
}

static void start_again(struct broker_process *broker)
{
        timer_set(broker->supervisor->event, &broker->timer, child_next_start(&broker->child), on_restart,
                broker);
}

void broker_process_start(struct broker_process *broker)
{
        char *argv[] = {(char[]){"tokend-broker"}, NULL};
        int r = child_start(&broker->child, "tokend-broker", argv, NULL, -1);

        if (r < 0) {
                log_error("tokend-broker cannot be started: %s", strerror(-r));
                start_again(broker);
                return;
        }
        tell_everything(broker);
}

static void on_gone(struct child *child, const char *how)
{
        struct broker_process *broker = child->userdata;

        if (supervisor_is_stopping(broker->supervisor))
                return;
        log_warning("the broker %s; another is started", how);
        start_again(broker);
}

/* ---- what it says ---- */

/* NULL: the token was removed while the message was on its way. */
static struct supervised_token *named(struct broker_process *broker, const char *name)
{
        struct supervised_token *token = supervised_token_find(broker->supervisor, name);

        return token && token->config ? token : NULL;
}

static int on_serving(struct broker_process *broker, struct wire *wire)
{
        struct message_serving message;
        struct supervised_token *token;
        int r = message_get_serving(wire, &message);

        if (r < 0)
                return r;
        token = named(broker, message.token);
        if (token)
                supervised_token_serving(token, message.life);
        return 0;
}

static int on_look_please(struct broker_process *broker, struct wire *wire)
{
        struct message_look_please message;
        struct supervised_token *token;
        int r = message_get_look_please(wire, &message);

        if (r < 0)
                return r;
        token = named(broker, message.token);
        if (token)
                look_start(token);
        return 0;
}

static int on_replace(struct broker_process *broker, struct wire *wire)
{
        struct message_replace message;
        struct supervised_token *token;
        int r = message_get_replace(wire, &message);

        if (r < 0)
                return r;
        token = named(broker, message.token);
        if (token)
                supervised_token_replace(token, &message);
        return 0;
}

static int on_make_anew(struct broker_process *broker, struct wire *wire)
{
        struct message_make_anew message;
        struct supervised_token *token;
        int r = message_get_make_anew(wire, &message);

        if (r < 0)
                return r;
        token = named(broker, message.token);
        /* The next worker is not far: while they are gone it is tried again and again. */
        if (token && token->life.state == TOKEN_FAILED && token->life.phase != LIFE_FAILED)
                token->anew = true;
        return 0;
}

static int on_audit_rotate(struct broker_process *broker, struct wire *wire)
{
        struct message_audit_rotate message;
        int r = message_get_audit_rotate(wire, &message);

        if (r == 0)
                audit_process_rotate(&broker->supervisor->audit);
        return r;
}

/* Answered at once: the question is one read of /proc. */
static int on_unit_please(struct broker_process *broker, struct wire *wire)
{
        struct message_unit_please message;
        _cleanup_(freep) char *unit = NULL;
        int r = message_get_unit_please(wire, &message);

        if (r < 0)
                return r;
        r = message.pid > INT32_MAX ? -ESRCH
                                    : process_unit_find(broker->child.message_fd, (pid_t)message.pid,
                                              message.accepted_usec, &unit);
        if (r < 0)
                log_debug("the unit of process %u is not known: %s", message.pid, strerror(-r));
        /* That it is in no unit would be wrong: the broker asks again. */
        if (r == -ENOMEM)
                return 0;
        (void)child_tell(&broker->child, unit, -1, .ticket = message.ticket, .unit = unit ? unit : "");
        return 0;
}

/* The broker's seccomp filter does not let it connect a socket. */
static int on_journal_please(struct broker_process *broker, struct wire *wire)
{
        struct message_journal_please message;
        _cleanup_(closep) int fd = -1;
        int r = message_get_journal_please(wire, &message);

        if (r < 0)
                return r;
        /* Ours may be as old as the broker's. */
        log_open_journal(JOURNAL_SOCKET);
        r = journal_open(JOURNAL_SOCKET, &fd);
        if (r < 0)
                log_debug("no journald answers for the broker: %s", strerror(-r));
        (void)child_tell(&broker->child, journal, fd, .unused = 0);
        return 0;
}

static int on_drained(struct broker_process *broker, struct wire *wire)
{
        struct message_drained drained;
        int r = message_get_drained(wire, &drained);

        if (r == 0 && !supervisor_is_stopping(broker->supervisor))
                r = -EBADMSG;
        if (r == 0)
                broker->drained = true;
        return r;
}

static int on_maintain(struct broker_process *broker, struct wire *wire)
{
        struct message_maintain message;
        struct supervised_token *token;
        int r = message_get_maintain(wire, &message);

        if (r < 0)
                return r;
        token = named(broker, message.token);
        return token && !supervisor_is_stopping(broker->supervisor) ? maintain(token, &message) : 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct broker_process *broker = child->userdata;

        switch (type) {
        case MESSAGE_TYPE_SERVING:
                return on_serving(broker, wire);
        case MESSAGE_TYPE_LOOK_PLEASE:
                return on_look_please(broker, wire);
        case MESSAGE_TYPE_REPLACE:
                return on_replace(broker, wire);
        case MESSAGE_TYPE_AUDIT_ROTATE:
                return on_audit_rotate(broker, wire);
        case MESSAGE_TYPE_MAKE_ANEW:
                return on_make_anew(broker, wire);
        case MESSAGE_TYPE_MAINTAIN:
                return on_maintain(broker, wire);
        case MESSAGE_TYPE_UNIT_PLEASE:
                return on_unit_please(broker, wire);
        case MESSAGE_TYPE_JOURNAL_PLEASE:
                return on_journal_please(broker, wire);
        case MESSAGE_TYPE_DRAINED:
                return on_drained(broker, wire);
        default:
                return -EBADMSG;
        }
}

static const struct child_class broker_class = {
        .on_message = on_message, .on_exit = on_gone, .with_descriptor = MESSAGE_TYPE_UNIT_PLEASE};
