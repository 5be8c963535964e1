/* SPDX-License-Identifier: MPL-2.0 */
/* See audit-server.h. */
#include "daemon/audit/audit-server.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "daemon/audit/keeper.h"
#include "daemon/audit/signer.h"
#include "daemon/channel/channel.h"
#include "daemon/channel/message.h"
#include "daemon/util/log.h"

/* How long a rotation waits for the signature of the head, and when one that failed is tried again. */
#define ROTATE_WAIT_USEC (3U * USEC_PER_SEC)
#define AGAIN_USEC       (60U * USEC_PER_SEC)
/* After the supervisor has gone: how long what the broker still sends is waited for. */
#define END_WAIT_USEC USEC_PER_SEC

enum answer {
        ANSWER_NONE,
        ANSWER_SAFE,
        ANSWER_UNSAFE,
};

struct audit_server {
        int broker_fd, control_fd; /* -1: gone */
        struct keeper keeper;
        bool started; /* AUDIT_START came, keeper is set */
        char *path;
        uint64_t rotate_size;
        struct signer signer;

        /* Answers. No record is received while anything is owed: a broker that does not read stops itself. */
        uint64_t last_number; /* of what the present broker sent */
        bool unanswered;      /* records since the last answer */
        enum answer owed;
        uint64_t owed_number;
        bool owed_state;

        bool rotate; /* as soon as the head is signed, or not later than: */
        uint64_t rotate_until_usec, next_rotate_usec;
        uint64_t drain_until_usec; /* 0: no DRAIN came, or DRAINED was sent */

        uint64_t end_usec; /* the supervisor is gone: 0: no */
        bool failed;       /* the broker or the supervisor sent what cannot be */
        uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
};

static const struct chain *serve_chain(const struct audit_server *serve)
{
        return file_chain(serve->keeper.file);
}

static bool serve_can_sign(const struct audit_server *serve)
{
        return serve->signer.interval_usec > 0 && serve->broker_fd >= 0 && serve->keeper.ok;
}

/* ---- sending to the broker ---- */

static void serve_broker_gone(struct audit_server *serve)
{
        closep(&serve->broker_fd);
        serve->broker_fd = -1;
        serve->owed = ANSWER_NONE;
        serve->owed_state = serve->unanswered = false;
        signer_forget(&serve->signer);
        serve->last_number = 0;
}

/* True: sent, or there is nobody to send to. */
static bool serve_sent(struct audit_server *serve, int r)
{
        if (r == -EAGAIN)
                return false;
        /* What it sent before it went is still to be read: the end is seen there. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                log_warning("audit: cannot answer the broker: %s", strerror(-r));
        return true;
}

static int send_answer(const struct audit_server *serve)
{
        if (serve->owed == ANSWER_SAFE)
                return message_send_safe(serve->broker_fd,
                        &(struct message_safe){.number = serve->owed_number, .seq = serve_chain(serve)->seq},
                        NULL, 0);
        return message_send_unsafe(
                serve->broker_fd, &(struct message_unsafe){.number = serve->owed_number}, NULL, 0);
}

static int send_state(const struct audit_server *serve)
{
        const struct keeper *keeper = &serve->keeper;
        struct message_audit_state state = {.ok = keeper->ok,
                .reason = keeper->ok ? "" : keeper->reason,
                .seq = serve_chain(serve)->seq,
                .lost = keeper->lost,
                .signed_seq = serve->signer.signed_seq,
                .signed_usec = serve->signer.signed_wall_usec};

        return message_send_audit_state(serve->broker_fd, &state, NULL, 0);
}

static int send_head(const struct audit_server *serve)
{
        char text[SIGNED_HEAD_MESSAGE_SIZE];
        size_t length = signed_head_message(&serve->signer.head, text);

        return message_send_head(serve->broker_fd,
                &(struct message_head){.seq = serve->signer.head.seq, .message = wire_bytes(text, length)},
                NULL, 0);
}

/* True: nothing is owed any more. The state before the answer: who is told UNSAFE knows why. */
static bool serve_flush(struct audit_server *serve)
{
        if (serve->broker_fd < 0)
                return true;
        if (serve->owed_state && serve->started) {
                if (!serve_sent(serve, send_state(serve)))
                        return false;
                serve->owed_state = false;
        }
        if (serve->owed != ANSWER_NONE) {
                if (!serve_sent(serve, send_answer(serve)))
                        return false;
                serve->owed = ANSWER_NONE;
        }
        if (serve->signer.owed) {
                if (!serve_sent(serve, send_head(serve)))
                        return false;
                serve->signer.owed = false;
        }
        return true;
}

/* ---- the disk ---- */

static bool serve_commit(struct audit_server *serve)
{
        bool was_ok = serve->keeper.ok, done;

        done = keeper_commit(&serve->keeper, now_usec());
        if (serve->unanswered) {
                serve->owed = done ? ANSWER_SAFE : ANSWER_UNSAFE;
                serve->owed_number = serve->last_number;
                serve->unanswered = false;
        }
        if (was_ok != serve->keeper.ok)
                serve->owed_state = true;
        if (done && serve->rotate_size > 0 && file_length(serve->keeper.file) >= serve->rotate_size &&
                !serve->rotate && now_usec() >= serve->next_rotate_usec) {
                serve->rotate = true;
                serve->rotate_until_usec = now_usec() + ROTATE_WAIT_USEC;
        }
        return done;
}

/* ---- signing and rotating ---- */

static void serve_rotate_now(struct audit_server *serve, const char *reason)
{
        int r = file_rotate(serve->keeper.file, reason == NULL, reason);

        serve->rotate = false;
        if (r < 0) {
                log_error("audit: %s cannot be rotated: %s", serve->path, strerror(-r));
                serve->next_rotate_usec = now_usec() + AGAIN_USEC;
        }
        (void)serve_commit(serve);
}

static void serve_head_signed(struct audit_server *serve, const struct message_head_signed *answer)
{
        char text[LIMIT_AUDIT_RECORD + 1];
        const char *reason = NULL;
        size_t length;
        int r;

        r = signer_take(&serve->signer, answer, now_usec(), text, &length, &reason);
        if (r == 0) {
                keeper_add(&serve->keeper, text, length);
                if (!serve_commit(serve))
                        return;
                signer_done(&serve->signer);
                serve->owed_state = true;
        }
        if (r != 1 && serve->rotate)
                serve_rotate_now(serve, reason);
}

static void serve_step_rotate(struct audit_server *serve, uint64_t now)
{
        struct signer *signer = &serve->signer;

        if (!serve->rotate || !serve->keeper.ok)
                return;
        if (signer->signed_seq > 0 && !signer_has_unsigned(signer, serve_chain(serve)))
                serve_rotate_now(serve, NULL);
        else if (signer->interval_usec == 0)
                serve_rotate_now(serve, "no AuditKey= is set");
        else if (!serve_can_sign(serve))
                serve_rotate_now(serve, "the broker is not there");
        else if (now >= serve->rotate_until_usec)
                serve_rotate_now(serve, "the signature did not come in time");
        else if (signer->until_usec == 0)
                signer_ask(signer, serve_chain(serve), now);
}

static void serve_step_drain(struct audit_server *serve, uint64_t now)
{
        struct signer *signer = &serve->signer;

        if (serve->drain_until_usec == 0)
                return;
        if (serve_can_sign(serve) && signer_has_unsigned(signer, serve_chain(serve)) &&
                now < serve->drain_until_usec) {
                /* One that just failed is not asked for again. */
                if (signer->until_usec == 0 && now >= signer->next_usec)
                        signer_ask(signer, serve_chain(serve), now);
                if (signer->until_usec > 0)
                        return;
        }
        serve->drain_until_usec = 0;
        (void)message_send_drained(serve->control_fd, &(struct message_drained){0}, NULL, 0);
}

/* ---- receiving ---- */

static void serve_fail(struct audit_server *serve, const char *who, enum message_type type)
{
        log_error("audit: %s sent what it may not (%s)", who, message_name(type));
        serve->failed = true;
}

static void serve_broker_message(struct audit_server *serve, struct wire *wire)
{
        enum message_type type = message_type(wire);
        struct message_head_signed head;
        struct message_record record;

        if (type == MESSAGE_TYPE_RECORD && message_get_record(wire, &record) == 0 &&
                record.number > serve->last_number && line_text_ok(record.text, strlen(record.text))) {
                serve->last_number = record.number;
                serve->unanswered = true;
                keeper_add(&serve->keeper, record.text, strlen(record.text));
        } else if (type == MESSAGE_TYPE_HEAD_SIGNED && message_get_head_signed(wire, &head) == 0)
                serve_head_signed(serve, &head);
        else
                serve_fail(serve, "the broker", type);
}

/* Receives one message. Descriptors that nobody asked for are closed. */
static int serve_receive(struct audit_server *serve, int fd, struct wire *ret, int *ret_fd)
{
        _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
        size_t length;
        int r;

        r = channel_receive(fd, serve->buffer, sizeof(serve->buffer), &length, fds);
        if (r != 0)
                return r;
        *ret = (struct wire){.data = serve->buffer, .size = length};
        if (ret_fd)
                *ret_fd = take_fd(&fds[0]);
        return 0;
}

/* Takes what is there, up to one group. True: the broker is gone, and read dry. */
static bool serve_read_broker(struct audit_server *serve)
{
        struct wire wire;
        int r = 0;

        while (!serve->failed && serve->owed == ANSWER_NONE && keeper_has_room(&serve->keeper) &&
                serve->broker_fd >= 0) {
                r = serve_receive(serve, serve->broker_fd, &wire, NULL);
                if (r != 0)
                        break;
                serve_broker_message(serve, &wire);
        }
        if (r < 0 && r != -EAGAIN)
                serve_fail(serve, "the broker", MESSAGE_TYPE_NONE_);
        return r == 1;
}

/* What the broker of a channel that ends has sent and nobody waits for any more. */
static void serve_leave_broker(struct audit_server *serve)
{
        serve->owed = ANSWER_NONE;
        while (serve->broker_fd >= 0 && !serve->failed) {
                bool end = serve_read_broker(serve);
                bool more = serve->unanswered;

                (void)serve_commit(serve);
                serve->owed = ANSWER_NONE;
                if (end || !more)
                        break;
        }
        serve_broker_gone(serve);
}

static void serve_start(struct audit_server *serve, const struct message_audit_start *start)
{
        int r;

        if (start->version != MESSAGE_VERSION || (serve->started && strcmp(serve->path, start->path) != 0)) {
                serve_fail(serve, "the supervisor", MESSAGE_TYPE_AUDIT_START);
                return;
        }
        if (!serve->started) {
                serve->path = strdup(start->path);
                r = serve->path ? keeper_init(&serve->keeper, serve->path) : -ENOMEM;
                if (r < 0) {
                        log_error("audit: %s: %s", start->path, strerror(-r));
                        serve->failed = true;
                        return;
                }
                serve->started = true;
                serve->owed_state = true;
        }
        serve->rotate_size = start->rotate_size;
        signer_set_interval(&serve->signer, start->sign_interval_usec, now_usec());
        /* The file's first word, now: it shows whether it can be written. */
        (void)serve_commit(serve);
}

static void set_nonblocking(int fd)
{
        int flags = fcntl(fd, F_GETFL);

        if (flags >= 0)
                (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void serve_channel(struct audit_server *serve, int fd)
{
        if (fd < 0) {
                serve_fail(serve, "the supervisor", MESSAGE_TYPE_CHANNEL);
                return;
        }
        serve_leave_broker(serve);
        set_nonblocking(fd);
        serve->broker_fd = fd;
        serve->owed_state = true;
}

static void serve_control_message(struct audit_server *serve, struct wire *wire, int *fd)
{
        enum message_type type = message_type(wire);
        struct message_audit_start start;
        struct message_audit_rotate rotate;
        struct message_channel channel;
        struct message_drain drain;
        struct message_ping ping;

        if (type == MESSAGE_TYPE_AUDIT_START && message_get_audit_start(wire, &start) == 0)
                serve_start(serve, &start);
        else if (type == MESSAGE_TYPE_PING && message_get_ping(wire, &ping) == 0)
                (void)message_send_pong(
                        serve->control_fd, &(struct message_pong){.number = ping.number}, NULL, 0);
        else if (serve->started && type == MESSAGE_TYPE_CHANNEL && message_get_channel(wire, &channel) == 0)
                serve_channel(serve, take_fd(fd));
        else if (serve->started && type == MESSAGE_TYPE_AUDIT_ROTATE &&
                 message_get_audit_rotate(wire, &rotate) == 0) {
                serve->rotate = true;
                serve->rotate_until_usec = now_usec() + ROTATE_WAIT_USEC;
        } else if (serve->started && type == MESSAGE_TYPE_DRAIN && message_get_drain(wire, &drain) == 0) {
                serve->drain_until_usec = MAX_OF(drain.deadline_usec, UINT64_C(1));
                serve->signer.next_usec = 0;
        } else
                serve_fail(serve, "the supervisor", type);
}

static void serve_read_control(struct audit_server *serve)
{
        while (!serve->failed && serve->end_usec == 0) {
                _cleanup_(closep) int fd = -1;
                struct wire wire;
                int r = serve_receive(serve, serve->control_fd, &wire, &fd);

                if (r == -EAGAIN)
                        return;
                if (r == 0)
                        serve_control_message(serve, &wire, &fd);
                else if (r == 1)
                        serve->end_usec = now_usec() + END_WAIT_USEC;
                else
                        serve_fail(serve, "the supervisor", MESSAGE_TYPE_NONE_);
        }
}

/* ---- the loop ---- */

static uint64_t serve_next(const struct audit_server *serve)
{
        uint64_t next = USEC_NEVER;

        if (!serve->started)
                return next;
        if (!serve->keeper.ok)
                next = MIN_OF(next, serve->keeper.retry_usec);
        next = MIN_OF(next, signer_next(&serve->signer, serve_chain(serve), serve_can_sign(serve)));
        if (serve->rotate && serve->keeper.ok)
                next = MIN_OF(next, serve->rotate_until_usec);
        if (serve->drain_until_usec > 0)
                next = MIN_OF(next, serve->drain_until_usec);
        if (serve->end_usec > 0)
                next = MIN_OF(next, serve->end_usec);
        return next;
}

static int serve_timeout_ms(const struct audit_server *serve)
{
        uint64_t now = now_usec(), next = serve_next(serve);

        if (next == USEC_NEVER)
                return -1;
        if (next <= now)
                return 0;
        return (int)MIN_OF((next - now) / USEC_PER_MSEC + 1, UINT64_C(3600000));
}

static void serve_wait(struct audit_server *serve, bool flushed)
{
        struct pollfd fds[] = {
                {.fd = serve->end_usec > 0 ? -1 : serve->control_fd, .events = POLLIN},
                {.fd = serve->started ? serve->broker_fd : -1, .events = (short)(flushed ? POLLIN : POLLOUT)},
        };

        if (poll(fds, ARRAY_SIZE(fds), serve_timeout_ms(serve)) < 0 && errno != EINTR)
                log_error("audit: poll: %s", strerror(errno));
        if (fds[0].revents)
                serve_read_control(serve);
}

/* After an order or a record, and when a time has come. */
static void serve_step(struct audit_server *serve)
{
        bool gone = serve_flush(serve) && serve->broker_fd >= 0 && serve_read_broker(serve);
        uint64_t now;

        if (serve->unanswered || serve->keeper.batch.n > 0 || !serve->keeper.ok)
                (void)serve_commit(serve);
        if (gone)
                serve_broker_gone(serve);
        now = now_usec();
        signer_step(&serve->signer, serve_chain(serve), serve_can_sign(serve), now);
        serve_step_rotate(serve, now);
        serve_step_drain(serve, now);
}

static bool serve_ends(const struct audit_server *serve)
{
        return serve->failed || (serve->end_usec > 0 && (!serve->started || serve->broker_fd < 0 ||
                                                                now_usec() >= serve->end_usec));
}

int audit_server_run(int broker_fd, int control_fd)
{
        static struct audit_server serve;

        serve = (struct audit_server){.broker_fd = broker_fd, .control_fd = control_fd};
        set_nonblocking(broker_fd);
        set_nonblocking(control_fd);
        while (!serve_ends(&serve)) {
                serve_wait(&serve, serve_flush(&serve));
                if (serve.started)
                        serve_step(&serve);
        }
        if (serve.started) {
                /* What came before the end, or before the fault, is kept. */
                serve.keeper.retry_usec = 0;
                if (!serve_commit(&serve))
                        log_error("audit: %zu records could not be written", serve.keeper.batch.n);
                (void)serve_flush(&serve);
                keeper_done(&serve.keeper);
        }
        free(serve.path);
        closep(&serve.broker_fd);
        closep(&serve.control_fd);
        return serve.failed ? 1 : 0;
}
