/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-loop.h. */
#include "daemon/audit/audit-loop.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "daemon/audit/audit-server.h"
#include "daemon/channel/channel.h"
#include "daemon/util/log.h"

/* After the supervisor has gone: how long what the broker still sends is waited for. */
#define END_WAIT_USEC USEC_PER_SEC
/* Messages of the broker in one turn of the loop. */
#define MESSAGES_A_TURN 4096U

struct audit_loop {
        struct audit_server server;
        uint64_t end_usec; /* the supervisor is gone: when this process ends at the latest; 0: it is there */
        bool failed;       /* the supervisor sent an invalid message: this process ends */
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
};

/* Of the supervisor: it is trusted, so that it and this process are of two builds. */
static void fail(struct audit_loop *loop, enum message_type type)
{
        log_error("audit: the supervisor sent an invalid message: %s",
                type == MESSAGE_TYPE_NONE_ ? "unknown type" : message_name(type));
        loop->failed = true;
}

/* ---- the broker ---- */

static void on_broker_message(struct audit_loop *loop, struct wire *wire)
{
        enum message_type type = message_type(wire);
        struct message_head_signed head;
        struct message_record record;

        if (type == MESSAGE_TYPE_RECORD && message_get_record(wire, &record) == 0)
                audit_server_record(&loop->server, &record);
        else if (type == MESSAGE_TYPE_HEAD_SIGNED && message_get_head_signed(wire, &head) == 0)
                audit_server_head_signed(&loop->server, &head);
        else
                audit_server_refuse(&loop->server, "a message that is malformed, or not for tokend-audit");
}

/* Takes what is there, up to one group: a broker that floods this process does not keep it from the supervisor. True: the broker
 * is gone, and its channel was read to the end. */
static bool read_broker(struct audit_loop *loop)
{
        struct audit_server *server = &loop->server;
        struct wire wire;
        int r = 0;

        for (unsigned n = 0; n < MESSAGES_A_TURN && server->owed == ANSWER_NONE &&
                             keeper_has_room(&server->keeper) && server->broker_fd >= 0;
                n++) {
                wire = (struct wire){.data = loop->buffer};
                r = channel_receive_plain(server->broker_fd, loop->buffer, sizeof(loop->buffer), &wire.size);
                if (r == 0)
                        on_broker_message(loop, &wire);
                else if (r == -EMSGSIZE)
                        audit_server_refuse(server, "a message that is too long");
                else
                        break;
        }
        return r != 0 && r != -EMSGSIZE && r != -EAGAIN;
}

/* Another broker comes: the records that the one before has sent are kept, and nobody waits for their answers. */
static void leave_broker(struct audit_loop *loop)
{
        struct audit_server *server = &loop->server;

        server->owed = ANSWER_NONE;
        while (server->broker_fd >= 0 && !loop->failed) {
                bool end = read_broker(loop);
                bool more = server->unanswered;

                (void)audit_server_commit(server);
                server->owed = ANSWER_NONE;
                if (end || !more)
                        break;
        }
        audit_server_broker_gone(server);
}

/* ---- the supervisor ---- */

static void set_nonblocking(int fd)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags >= 0)
                (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void on_start(struct audit_loop *loop, const struct message_audit_start *start)
{
        int r = audit_server_start(&loop->server, start);

        if (r == -EPROTO)
                fail(loop, MESSAGE_TYPE_AUDIT_START);
        else if (r < 0) {
                log_error("audit: %s: %s", start->path, strerror(-r));
                loop->failed = true;
        }
}

static void on_channel(struct audit_loop *loop, int fd)
{
        if (fd < 0) {
                fail(loop, MESSAGE_TYPE_CHANNEL);
                return;
        }
        leave_broker(loop);
        set_nonblocking(fd);
        loop->server.broker_fd = fd;
        loop->server.owed_state = true;
}

static void on_control_message(struct audit_loop *loop, struct wire *wire, int *fd)
{
        struct audit_server *server = &loop->server;
        enum message_type type = message_type(wire);
        struct message_audit_start start;
        struct message_audit_rotate rotate;
        struct message_channel channel;
        struct message_drain drain;
        struct message_ping ping;

        if (type == MESSAGE_TYPE_AUDIT_START && message_get_audit_start(wire, &start) == 0)
                on_start(loop, &start);
        else if (type == MESSAGE_TYPE_PING && message_get_ping(wire, &ping) == 0)
                (void)message_send_pong(
                        server->control_fd, &(struct message_pong){.number = ping.number}, NULL, 0);
        else if (server->started && type == MESSAGE_TYPE_CHANNEL && message_get_channel(wire, &channel) == 0)
                on_channel(loop, take_fd(fd));
        else if (server->started && type == MESSAGE_TYPE_AUDIT_ROTATE &&
                 message_get_audit_rotate(wire, &rotate) == 0)
                audit_server_order(server);
        else if (server->started && type == MESSAGE_TYPE_DRAIN && message_get_drain(wire, &drain) == 0)
                audit_server_drain(server, drain.deadline_usec);
        else
                fail(loop, type);
}

static void read_control(struct audit_loop *loop)
{
        while (!loop->failed && loop->end_usec == 0) {
                _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
                struct wire wire = {.data = loop->buffer};
                int r = channel_receive(
                        loop->server.control_fd, loop->buffer, sizeof(loop->buffer), &wire.size, fds);

                if (r == -EAGAIN)
                        return;
                if (r == 0)
                        on_control_message(loop, &wire, &fds[0]);
                else if (r == 1)
                        loop->end_usec = now_usec() + END_WAIT_USEC;
                else
                        fail(loop, MESSAGE_TYPE_NONE_);
        }
}

/* ---- the loop ---- */

static int timeout_ms(const struct audit_loop *loop)
{
        uint64_t now = now_usec(), next = audit_server_next(&loop->server);

        if (loop->server.started && loop->end_usec > 0)
                next = MIN_OF(next, loop->end_usec);
        if (next == USEC_NEVER)
                return -1;
        if (next <= now)
                return 0;
        return (int)MIN_OF((next - now) / USEC_PER_MSEC + 1, UINT64_C(3600000));
}

static void wait_for_event(struct audit_loop *loop, bool flushed)
{
        const struct audit_server *server = &loop->server;
        struct pollfd fds[] = {
                {.fd = loop->end_usec > 0 ? -1 : server->control_fd, .events = POLLIN},
                {.fd = server->started ? server->broker_fd : -1,
                        .events = (short)(flushed ? POLLIN : POLLOUT)},
        };

        if (poll(fds, ARRAY_SIZE(fds), timeout_ms(loop)) < 0 && errno != EINTR)
                log_error("audit: poll: %s", strerror(errno));
        if (fds[0].revents)
                read_control(loop);
}

static void step(struct audit_loop *loop)
{
        struct audit_server *server = &loop->server;
        bool gone = audit_server_flush(server) && server->broker_fd >= 0 && read_broker(loop);

        if (gone) {
                (void)audit_server_commit(server);
                audit_server_broker_gone(server);
        }
        audit_server_step(server);
}

static bool ends(const struct audit_loop *loop)
{
        return loop->failed || loop->server.keeper.over ||
               (loop->end_usec > 0 &&
                       (!loop->server.started || loop->server.broker_fd < 0 || now_usec() >= loop->end_usec));
}

int audit_loop_run(int broker_fd, int control_fd)
{
        static struct audit_loop loop;

        loop = (struct audit_loop){.server = {.broker_fd = broker_fd, .control_fd = control_fd}};
        set_nonblocking(broker_fd);
        set_nonblocking(control_fd);
        while (!ends(&loop)) {
                wait_for_event(&loop, audit_server_flush(&loop.server));
                if (loop.server.started)
                        step(&loop);
        }
        /* What came before the end, or before the fault, is kept. */
        audit_server_done(&loop.server);
        return loop.failed || loop.server.keeper.over ? 1 : 0;
}
