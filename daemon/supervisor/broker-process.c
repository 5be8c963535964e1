/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The broker's life: started, told what there is, started again when it dies. What it says is checked: it talks to
 * clients, and may have been taken over by one.
 */
#include <string.h>

#include "daemon/supervisor/spawn.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/process-unit.h"
#include "daemon/util/journal.h"
#include "daemon/util/log.h"

/* A life that was shorter was of no use to anybody. */
#define SHORT_LIFE_USEC USEC_PER_SEC

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

/* ---- what it is told. To one that is not there nothing is said: the next is told everything. ---- */

void broker_tell_config(struct broker_process *broker)
{
        const struct supervisor *supervisor = broker->supervisor;
        const struct message_config message = {
                .version = MESSAGE_VERSION, .started_usec = supervisor->started_usec};

        if (child_is_live(&broker->child))
                child_sent(&broker->child,
                        message_send_config(broker->child.control_fd, &message, &supervisor->config_fd, 1));
}

static void tell_listen(struct broker_process *broker, enum listen_kind kind, int fd)
{
        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_listen(broker->child.control_fd,
                                                   &(struct message_listen){.kind = (uint8_t)kind}, &fd, 1));
}

void broker_tell_go(struct broker_process *broker)
{
        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_go(broker->child.control_fd,
                                                   &(struct message_go){.unused = 0}, NULL, 0));
}

void broker_tell_worker(
        struct broker_process *broker, const struct supervised_token *token, uint32_t epoch, int fd)
{
        const struct message_worker message = {
                .token = token->name, .life = token->life_number, .epoch = epoch};

        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_worker(broker->child.control_fd, &message, &fd, 1));
}

void broker_tell_look(struct broker_process *broker, const struct supervised_token *token, int fd)
{
        const struct message_look message = {.token = token->name};

        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_look(broker->child.control_fd, &message, &fd, 1));
}

void broker_tell_gone(struct broker_process *broker, const struct supervised_token *token, uint64_t life)
{
        const struct message_gone message = {.token = token->name, .life = life};

        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_gone(broker->child.control_fd, &message, NULL, 0));
}

void broker_tell_token(struct broker_process *broker, const struct supervised_token *token)
{
        const struct message_token message = {
                .token = token->name,
                .state = (uint8_t)token->life.state,
                .reason = token->life.reason,
                .since_usec = token->life.since_usec,
                .restarts = life_restarts(&token->life),
        };

        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_token(broker->child.control_fd, &message, NULL, 0));
}

void broker_tell_drain(struct broker_process *broker, uint64_t deadline_usec)
{
        const struct message_drain message = {.deadline_usec = deadline_usec};

        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_drain(broker->child.control_fd, &message, NULL, 0));
}

void broker_tell_audit(struct broker_process *broker, int fd)
{
        if (child_is_live(&broker->child))
                child_sent(&broker->child, message_send_channel(broker->child.control_fd,
                                                   &(struct message_channel){.epoch = 0}, &fd, 1));
}

static void tell_everything(struct broker_process *broker)
{
        struct supervisor *supervisor = broker->supervisor;

        broker_tell_config(broker);
        audit_process_connect(&supervisor->audit);
        tell_listen(broker, LISTEN_KEYS, supervisor->sockets.keys.fd);
        tell_listen(broker, LISTEN_STATUS, supervisor->sockets.status.fd);
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                if (!supervisor->tokens[i]->config)
                        continue;
                broker_tell_token(broker, supervisor->tokens[i]);
                supervised_token_connect(supervisor->tokens[i]);
        }
        broker_tell_go(broker);
        child_ping(&broker->child, now_usec(), false);
}

/* ---- its life ---- */

static int on_restart(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct broker_process *broker = userdata;

        if (!broker->supervisor->stopping)
                (void)broker_process_start(broker);
        return 0;
}

static void start_again(struct broker_process *broker)
{
        uint64_t wait;

        if (now_usec() - broker->started_usec < SHORT_LIFE_USEC)
                broker->n_short++;
        else
                broker->n_short = 0;
        /* The first time at once. */
        wait = broker->n_short > 1 ? backoff_usec(broker->n_short - 2) : 0;
        timer_set(broker->supervisor, &broker->timer, now_usec() + wait, on_restart, broker);
}

int broker_process_start(struct broker_process *broker)
{
        char *argv[] = {(char[]){"tokend-broker"}, NULL};
        _cleanup_(freep) char **environment = NULL;
        int r;

        broker->started_usec = now_usec();
        r = environment_of_broker(&environment);
        if (r == 0)
                r = child_start(&broker->child, "tokend-broker", argv, environment, -1);
        if (r < 0) {
                log_error("tokend-broker cannot be started: %s", strerror(-r));
                start_again(broker);
                return r;
        }
        tell_everything(broker);
        return 0;
}

static void on_gone(struct child *child, const char *how)
{
        struct broker_process *broker = child->userdata;

        if (broker->supervisor->stopping) {
                supervisor_drained(broker->supervisor);
                supervisor_reaped(broker->supervisor);
                return;
        }
        log_warning("the broker %s; another is started", how);
        start_again(broker);
}

void broker_process_tick(struct broker_process *broker, uint64_t now, bool forgive)
{
        if (!forgive && child_is_overdue(&broker->child, now))
                child_kill(&broker->child, "it did not answer for 5 s");
        child_ping(&broker->child, now, forgive);
}

/* ---- what it says ---- */

/* A token that it does not know any more: what it says crossed a reload. */
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

static int on_pong(struct broker_process *broker, struct wire *wire)
{
        struct message_pong message;
        int r = message_get_pong(wire, &message);

        if (r == 0)
                r = child_pong(&broker->child, message.number);
        if (r == 0)
                notify_state(broker->supervisor);
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
                                    : process_unit_of_process(broker->child.message_fd, (pid_t)message.pid,
                                              message.accepted_usec, &unit);
        if (r < 0)
                log_debug("the unit of process %u cannot be told: %s", message.pid, strerror(-r));
        if (child_is_live(&broker->child))
                child_sent(&broker->child,
                        message_send_unit(broker->child.control_fd,
                                &(struct message_unit){.ticket = message.ticket, .unit = unit ? unit : ""},
                                NULL, 0));
        return 0;
}

/* Under its seccomp filter it can connect none itself. */
static int on_journal_please(struct broker_process *broker, struct wire *wire)
{
        struct message_journal_please message;
        _cleanup_(closep) int fd = -1;
        int r = message_get_journal_please(wire, &message);

        if (r < 0)
                return r;
        r = journal_open(JOURNAL_SOCKET, &fd);
        if (r < 0)
                log_debug("there is no journald for the broker: %s", strerror(-r));
        if (child_is_live(&broker->child))
                child_sent(&broker->child,
                        message_send_journal(broker->child.control_fd, &(struct message_journal){.unused = 0},
                                &fd, fd >= 0 ? 1 : 0));
        return 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct broker_process *broker = child->userdata;
        struct message_drained drained;
        int r;

        switch (type) {
        case MESSAGE_TYPE_PONG:
                return on_pong(broker, wire);
        case MESSAGE_TYPE_SERVING:
                return on_serving(broker, wire);
        case MESSAGE_TYPE_LOOK_PLEASE:
                return on_look_please(broker, wire);
        case MESSAGE_TYPE_REPLACE:
                return on_replace(broker, wire);
        case MESSAGE_TYPE_UNIT_PLEASE:
                return on_unit_please(broker, wire);
        case MESSAGE_TYPE_JOURNAL_PLEASE:
                return on_journal_please(broker, wire);
        case MESSAGE_TYPE_DRAINED:
                r = message_get_drained(wire, &drained);
                if (r == 0 && !broker->supervisor->stopping)
                        r = -EBADMSG;
                if (r == 0)
                        supervisor_drained(broker->supervisor);
                return r;
        default:
                return -EBADMSG;
        }
}

static const struct child_class broker_class = {.on_message = on_message, .on_exit = on_gone};
