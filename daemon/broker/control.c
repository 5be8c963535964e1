/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See control.h. The supervisor is trusted, but a message that does not fit means two builds that must not
 * talk: the broker ends, and the supervisor starts another.
 */
#include "daemon/broker/control.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/broker/listener.h"
#include "daemon/broker/sandbox.h"
#include "daemon/broker/unit.h"
#include "daemon/util/log.h"

/* Messages kept while the supervisor does not read; it reads all the time, unless it is stopped. */
#define KEPT_MAX 256U

struct kept {
        struct link link;
        size_t length;
        uint8_t data[];
};

static void watch(struct broker *broker)
{
        uint32_t events = EPOLLIN | (link_is_empty(&broker->kept) ? 0U : EPOLLOUT);
        int r = sd_event_source_set_io_events(broker->control, events);

        if (r < 0)
                log_error("cannot watch the control: %s", strerror(-r));
}

static void keep(struct broker *broker, const struct wire *wire)
{
        struct kept *kept = broker->n_kept < KEPT_MAX ? malloc(sizeof(*kept) + wire->at) : NULL;

        if (!kept) {
                log_error("the supervisor does not read: a message to it is lost");
                return;
        }
        kept->length = wire->at;
        memcpy(kept->data, wire->data, wire->at);
        link_append(&broker->kept, &kept->link);
        broker->n_kept++;
        watch(broker);
}

static void send_kept(struct broker *broker)
{
        while (!link_is_empty(&broker->kept)) {
                struct kept *kept = LINK_OF(broker->kept.next, struct kept, link);

                if (channel_send(broker->control_fd, kept->data, kept->length, NULL, 0) == -EAGAIN)
                        break;
                link_remove(&kept->link);
                broker->n_kept--;
                free(kept);
        }
        watch(broker);
}

static void send_wire(struct broker *broker, const struct wire *wire)
{
        int r;

        if (wire->bad) {
                log_error("a message to the supervisor is too long");
                return;
        }
        r = link_is_empty(&broker->kept) ? channel_send(broker->control_fd, wire->data, wire->at, NULL, 0)
                                         : -EAGAIN;
        if (r == -EAGAIN)
                keep(broker, wire);
        else if (r < 0)
                log_error("cannot write to the supervisor: %s", strerror(-r));
}

/* Names and reasons are short; a control message never nears this. */
#define CONTROL_WIRE(name)                                                                                   \
        uint8_t name##_bytes[8192];                                                                          \
        struct wire name = {.data = name##_bytes, .size = sizeof(name##_bytes)}

void control_serving(struct broker *broker, const char *token, uint64_t life)
{
        CONTROL_WIRE(wire);

        message_put_serving(&wire, &(struct message_serving){.token = token, .life = life});
        send_wire(broker, &wire);
}

void control_drained(struct broker *broker)
{
        CONTROL_WIRE(wire);

        message_put_drained(&wire, &(struct message_drained){.unused = 0});
        send_wire(broker, &wire);
}

void control_look_please(struct broker *broker, const char *token)
{
        CONTROL_WIRE(wire);

        message_put_look_please(&wire, &(struct message_look_please){.token = token});
        send_wire(broker, &wire);
}

void control_journal_please(struct broker *broker)
{
        (void)message_send_journal_please(
                broker->control_fd, &(struct message_journal_please){.unused = 0}, NULL, 0);
}

void control_replace(struct broker *broker, const char *token, uint64_t life, const char *reason, bool full)
{
        CONTROL_WIRE(wire);

        message_put_replace(&wire,
                &(struct message_replace){.token = token, .life = life, .full = full, .reason = reason});
        send_wire(broker, &wire);
}

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
        return broker_configure(broker, config);
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
        struct token *token = broker_token(broker, name);

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
        return token ? worker_attach(token, take_fd(&fds[0]), message.life, message.epoch) : 0;
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
        CONTROL_WIRE(reply);
        int r = message_get_ping(wire, &message);

        if (r < 0)
                return r;
        message_put_pong(&reply, &(struct message_pong){.number = message.number});
        send_wire(broker, &reply);
        return 0;
}

static int on_go(struct broker *broker)
{
        int r;

        if (broker->sealed)
                return 0;
        r = sandbox_enter(broker->control_fd);
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
        case MESSAGE_TYPE_LISTEN:
                return on_listen(broker, wire, fds);
        case MESSAGE_TYPE_WORKER:
                return on_worker(broker, wire, fds);
        case MESSAGE_TYPE_GONE:
                return on_gone(broker, wire);
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
                send_kept(broker);
        r = channel_receive(fd, buffer, sizeof(buffer), &wire.size, fds);
        if (r == -EAGAIN)
                return 0;
        /* The supervisor is gone: nothing of this process is worth anything without it. */
        if (r == 1 || r == -ECONNRESET)
                return sd_event_exit(broker->event, 0);
        if (r == 0)
                r = on_message(broker, &wire, fds);
        if (r < 0) {
                log_error("a message of the supervisor cannot be followed: %s", strerror(-r));
                return sd_event_exit(broker->event, 1);
        }
        broker_settle(broker);
        return 0;
}

int control_start(struct broker *broker)
{
        int r;

        if (fcntl(broker->control_fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        r = sd_event_add_io(broker->event, &broker->control, broker->control_fd, EPOLLIN, on_io, broker);
        if (r < 0)
                return r;
        /* Before the clients: a ping is answered, and a reload seen, however many of them there are. */
        return sd_event_source_set_priority(broker->control, SD_EVENT_PRIORITY_IMPORTANT);
}

void control_stop(struct broker *broker)
{
        sd_event_source_disable_unref(broker->control);
        broker->control = NULL;
        while (!link_is_empty(&broker->kept)) {
                struct kept *kept = LINK_OF(broker->kept.next, struct kept, link);

                link_remove(&kept->link);
                free(kept);
        }
        if (broker->control_fd >= 0)
                close(broker->control_fd);
}
