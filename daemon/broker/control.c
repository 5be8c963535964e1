/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See control.h. The supervisor is trusted, but a message that does not fit means two builds that must not
 * talk: the broker ends, and the supervisor starts another.
 */
#include "daemon/broker/control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/audit/to-file.h"
#include "daemon/broker/audit/to-journal.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/net/listener.h"
#include "daemon/broker/net/unit.h"
#include "daemon/broker/sandbox.h"
#include "daemon/broker/token/live.h"
#include "daemon/broker/token/look.h"
#include "daemon/broker/token/newcomer.h"
#include "daemon/broker/token/worker.h"
#include "daemon/util/log.h"

/* ---- what comes. Descriptors in fds are closed by the caller, unless taken. ---- */

static int on_config(struct broker *broker, struct wire *wire, int fds[])
{
        struct message_config message;
        struct config *config;
        int r = message_get_config(wire, &message);

        if (r == 0 && (message.version != MESSAGE_VERSION || fds[0] < 0))
                r = -EPROTO;
        if (r == 0)
                r = config_from_memfd(fds[0], &config);
        if (r < 0)
                return r;
        broker->started_usec = message.started_usec;
        return broker_configure(broker, config, message.read);
}

static int on_config_state(struct broker *broker, struct wire *wire)
{
        struct message_config_state message;
        char *reason;
        int r = message_get_config_state(wire, &message);

        if (r < 0)
                return r;
        reason = strdup(message.reason);
        if (!reason)
                return -ENOMEM;
        free(broker->config_reason);
        broker->config_reason = reason;
        broker->config_ok = message.ok;
        broker->config_usec = message.since_usec;
        return 0;
}

static int on_listen(struct broker *broker, struct wire *wire, int fds[])
{
        struct message_listen message;
        int r = message_get_listen(wire, &message);

        if (r == 0 && (fds[0] < 0 || (message.kind != LISTEN_KEYS && message.kind != LISTEN_STATUS)))
                r = -EPROTO;
        if (r < 0)
                return r;
        return listener_set(broker, message.kind, take_fd(&fds[0]));
}

/* A message about a token that the configuration lacks crossed a reload: not an error. */
static struct token *token_of(struct broker *broker, const char *name)
{
        struct token *token = registry_token(broker, name);

        if (!token)
                log_info("the supervisor speaks of a token that is not configured any more");
        else
                token->dirty = broker->tokens_dirty = true;
        return token;
}

static int on_worker(struct broker *broker, struct wire *wire, int fds[])
{
        struct message_worker message;
        struct token *token;
        int r = message_get_worker(wire, &message);

        if (r < 0 || fds[0] < 0)
                return r < 0 ? r : -EPROTO;
        token = token_of(broker, message.token);
        return token ? worker_attach(token, message.beside, take_fd(&fds[0]), message.life, message.epoch)
                     : 0;
}

static int on_gone(struct broker *broker, struct wire *wire)
{
        struct message_gone message;
        struct token *token;
        int r = message_get_gone(wire, &message);

        if (r < 0)
                return r;
        token = token_of(broker, message.token);
        if (token)
                worker_gone(token, message.life);
        return 0;
}

static int on_retire(struct broker *broker, struct wire *wire)
{
        struct message_retire message;
        struct token *token;
        int r = message_get_retire(wire, &message);

        if (r < 0)
                return r;
        token = token_of(broker, message.token);
        if (token && token->worker->phase != WORKER_NONE && token->worker->life == message.life)
                worker_replace(token->worker, message.reason, true);
        return 0;
}

static int on_maintained(struct broker *broker, struct wire *wire)
{
        struct message_maintained message;
        struct token *token;
        int r = message_get_maintained(wire, &message);

        if (r < 0)
                return r;
        token = token_of(broker, message.token);
        if (token)
                token_maintained(token, &message);
        return 0;
}

static int on_take_over(struct broker *broker, struct wire *wire)
{
        struct message_take_over message;
        struct token *token;
        int r = message_get_take_over(wire, &message);

        if (r < 0)
                return r;
        token = token_of(broker, message.token);
        if (token)
                newcomer_takes_over(token, message.life);
        return 0;
}

static int on_token(struct broker *broker, struct wire *wire)
{
        struct message_token message;
        struct token *token;
        int r = message_get_token(wire, &message);

        if (r < 0 || message.state == 0 || message.state >= TOKEN_STATE_MAX_)
                return r < 0 ? r : -EPROTO;
        token = token_of(broker, message.token);
        if (token)
                token_set_state(token, &message);
        return 0;
}

static int on_look(struct broker *broker, struct wire *wire, int fds[])
{
        struct message_look message;
        struct token *token;
        int r = message_get_look(wire, &message);

        if (r < 0 || fds[0] < 0)
                return r < 0 ? r : -EPROTO;
        token = token_of(broker, message.token);
        return token ? look_attach(token, take_fd(&fds[0])) : 0;
}

/* To tokend-audit; of the others' channels this is not told here. */
static int on_channel(struct broker *broker, struct wire *wire, int fds[])
{
        struct message_channel message;
        int r = message_get_channel(wire, &message);

        if (r < 0 || fds[0] < 0)
                return r < 0 ? r : -EPROTO;
        return audit_attach(broker, take_fd(&fds[0]));
}

static int on_journal(struct broker *broker, struct wire *wire, int fds[])
{
        struct message_journal message;
        int r = message_get_journal(wire, &message);

        if (r == 0 && fds[0] >= 0)
                audit_journal_attach(broker, take_fd(&fds[0]));
        return r;
}

static int on_unit(struct broker *broker, struct wire *wire)
{
        struct message_unit message;
        int r = message_get_unit(wire, &message);

        if (r == 0)
                unit_answer(broker, &message);
        return r;
}

static int on_drain(struct broker *broker, struct wire *wire)
{
        struct message_drain message;
        int r = message_get_drain(wire, &message);

        if (r == 0)
                broker_drain(broker, message.deadline_usec);
        return r;
}

static int on_ping(struct broker *broker, struct wire *wire)
{
        struct message_ping message;
        int r = message_get_ping(wire, &message);

        if (r == 0)
                uplink_pong(&broker->uplink, message.number);
        return r;
}

static int on_go(struct broker *broker)
{
        int r;

        if (broker->sealed)
                return 0;
        r = sandbox_enter();
        if (r < 0)
                return r;
        broker->sealed = true;
        return listener_start(broker);
}

static int on_message(struct broker *broker, struct wire *wire, int fds[])
{
        switch (message_type(wire)) {
        case MESSAGE_TYPE_CONFIG:
                return on_config(broker, wire, fds);
        case MESSAGE_TYPE_CONFIG_STATE:
                return on_config_state(broker, wire);
        case MESSAGE_TYPE_LISTEN:
                return on_listen(broker, wire, fds);
        case MESSAGE_TYPE_WORKER:
                return on_worker(broker, wire, fds);
        case MESSAGE_TYPE_GONE:
                return on_gone(broker, wire);
        case MESSAGE_TYPE_RETIRE:
                return on_retire(broker, wire);
        case MESSAGE_TYPE_MAINTAINED:
                return on_maintained(broker, wire);
        case MESSAGE_TYPE_TAKE_OVER:
                return on_take_over(broker, wire);
        case MESSAGE_TYPE_TOKEN:
                return on_token(broker, wire);
        case MESSAGE_TYPE_LOOK:
                return on_look(broker, wire, fds);
        case MESSAGE_TYPE_CHANNEL:
                return on_channel(broker, wire, fds);
        case MESSAGE_TYPE_JOURNAL:
                return on_journal(broker, wire, fds);
        case MESSAGE_TYPE_UNIT:
                return on_unit(broker, wire);
        case MESSAGE_TYPE_DRAIN:
                return on_drain(broker, wire);
        case MESSAGE_TYPE_PING:
                return on_ping(broker, wire);
        case MESSAGE_TYPE_GO:
                return on_go(broker);
        default:
                return -EPROTO;
        }
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct broker *broker = userdata;
        _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
        uint8_t buffer[16 * 1024];
        struct wire wire = {.data = buffer};
        int r;

        if (events & EPOLLOUT)
                uplink_flush(&broker->uplink);
        r = channel_receive(fd, buffer, sizeof(buffer), &wire.size, fds);
        if (r == -EAGAIN)
                return 0;
        /* The supervisor is gone: nothing of this process is worth anything without it. */
        if (r == 1 || r == -ECONNRESET)
                return sd_event_exit(broker->loop.event, 0);
        if (r == 0)
                r = on_message(broker, &wire, fds);
        if (r < 0) {
                log_error("invalid message from the supervisor: %s", strerror(-r));
                return sd_event_exit(broker->loop.event, 1);
        }
        loop_settle(&broker->loop);
        return 0;
}

int control_start(struct broker *broker)
{
        int r;

        if (fcntl(broker->uplink.fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(
                broker->loop.event, &broker->uplink.source, broker->uplink.fd, EPOLLIN, on_io, broker);
        if (r < 0)
                return r;
        /* Before the clients: a ping is answered, and a reload seen, however many of them there are. */
        return sd_event_source_set_priority(broker->uplink.source, SD_EVENT_PRIORITY_IMPORTANT);
}

void control_stop(struct broker *broker)
{
        broker->uplink.source = sd_event_source_disable_unref(broker->uplink.source);
}
