/* SPDX-License-Identifier: MPL-2.0 */
/* See planted.h. What a broker of that kind says on its channels. Each attempt waits until the other side has read all of it. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/model/token.h"
#include "daemon/channel/message.h"
#include "daemon/util/log.h"
#include "tests/planted/planted.h"

/* The supervisor kills within this time, and everybody answers within it. */
#define WAIT_MSEC 3000
/* More descriptors than any message has, and as many as the kernel takes. */
#define FDS_MAX 250U

static void not_so(const char *what)
{
        log_error("planted: NOT REFUSED: %s", what);
}

/* ---- to the supervisor ---- */

static void send_raw(int fd, const void *data, size_t length, size_t n_fds)
{
        static char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

        if (n_fds > 0) {
                struct cmsghdr *head = (struct cmsghdr *)space;
                int *fds = (int *)CMSG_DATA(head);

                *head = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                        .cmsg_type = SCM_RIGHTS,
                        .cmsg_len = CMSG_LEN(n_fds * sizeof(int))};
                for (size_t i = 0; i < n_fds; i++)
                        fds[i] = fd;
                msg.msg_control = space;
                msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        }
        if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
                log_error("planted: sendmsg: %s", strerror(errno));
}

/* One message of the supervisor's; descriptors are closed, and a ping is answered: what is tried may take longer than a ping may wait. */
static int next_message(int fd, struct wire *wire)
{
        _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
        static uint8_t buffer[16 * 1024];
        struct message_ping ping;
        struct wire again;
        int r;

        *wire = (struct wire){.data = buffer};
        r = channel_receive(fd, buffer, sizeof(buffer), &wire->size, fds);
        again = *wire;
        if (r == 0 && message_type(&again) == MESSAGE_TYPE_PING && message_get_ping(&again, &ping) == 0)
                (void)message_send_pong(fd, &(struct message_pong){ping.number}, NULL, 0);
        return r;
}

/* Until the supervisor has answered a last question. */
static void ask_last(const struct planted *planted)
{
        const struct message_unit_please question = {.ticket = UINT64_MAX, .pid = (uint32_t)getpid()};
        int fd = planted->broker->uplink.fd;

        (void)message_send_unit_please(fd, &question, NULL, 0);
        for (struct pollfd at = {.fd = fd, .events = POLLIN}; poll(&at, 1, WAIT_MSEC) > 0;) {
                struct wire wire;
                struct message_unit unit;

                if (next_message(fd, &wire) != 0)
                        break;
                if (message_type(&wire) == MESSAGE_TYPE_UNIT && message_get_unit(&wire, &unit) == 0 &&
                        unit.ticket == UINT64_MAX)
                        return;
        }
        not_so("the supervisor does not answer any more");
}

/* One message for which the supervisor ends the broker. */
struct bad_message {
        const char *bytes;
        size_t length, n_fds;
};

#define BYTES(text) .bytes = (text), .length = sizeof(text) - 1
#define TYPE(name)  .bytes = (const char[]){MESSAGE_TYPE_##name}, .length = 1

static const struct bad_message bad[] = {
        {BYTES("\xff garbage"), 0},
        {BYTES("\0\0\0\0\0\0\0\0"), 0},
        {TYPE(SERVING), 0},
        {.bytes = (const char[]){MESSAGE_TYPE_UP, 1, 0, 0, 0}, .length = 5},
        {.bytes = (const char[]){MESSAGE_TYPE_GO, 0}, .length = 2},
        {.bytes = (const char[]){MESSAGE_TYPE_DRAINED, 0}, .length = 2},
        {.bytes = (const char[]){MESSAGE_TYPE_LEAVING, 1, 0, 0, 0, 0, 0, 0, 0}, .length = 9},
        {.bytes = (const char[]){MESSAGE_TYPE_PONG, 1, 1, 1, 1, 1, 1, 1, 1}, .length = 9},
        {.bytes = (const char[]){MESSAGE_TYPE_LOOK_PLEASE, 2, 0, 0, 0, 'x', 'x'}, .length = 7},
        {.bytes = (const char[]){MESSAGE_TYPE_LOOK_PLEASE, 1, 0, 0, 0, 0, 0}, .length = 7},
        /* A good message, but with descriptors that it does not have. */
        {.bytes = (const char[]){MESSAGE_TYPE_JOURNAL_PLEASE, 0}, .length = 2, .n_fds = 1},
        {.bytes = (const char[]){MESSAGE_TYPE_JOURNAL_PLEASE, 0}, .length = 2, .n_fds = 3},
        {.bytes = (const char[]){MESSAGE_TYPE_JOURNAL_PLEASE, 0}, .length = 2, .n_fds = FDS_MAX},
        {.bytes = (const char[21]){MESSAGE_TYPE_UNIT_PLEASE}, .length = 21, .n_fds = 2},
};

static void control_bad(const struct planted *planted, unsigned which)
{
        send_raw(planted->broker->uplink.fd, bad[which].bytes, bad[which].length, bad[which].n_fds);
        (void)poll(NULL, 0, WAIT_MSEC);
        not_so("the supervisor lets this broker live");
}

static void control_long(const struct planted *planted, unsigned length)
{
        static char bytes[LIMIT_CHANNEL_MESSAGE];

        bytes[0] = MESSAGE_TYPE_JOURNAL_PLEASE;
        send_raw(planted->broker->uplink.fd, bytes, length, 0);
        (void)poll(NULL, 0, WAIT_MSEC);
        not_so("the supervisor lets this broker live");
}

/* Good messages, too often and at the wrong time. */
static void control_repeats(const struct planted *planted, unsigned argument)
{
        int fd = planted->broker->uplink.fd;
        const char *token = planted->broker->config->tokens[0]->name;
        const struct message_unit_please nobody[] = {
                {.pid = 0}, {.pid = UINT32_MAX}, {.pid = 1}, {.pid = INT32_MAX}};

        for (unsigned i = 0; i < 50; i++) {
                (void)message_send_serving(fd, &(struct message_serving){token, UINT64_MAX - i}, NULL, 0);
                (void)message_send_serving(fd, &(struct message_serving){"no such", i}, NULL, 0);
                (void)message_send_look_please(fd, &(struct message_look_please){"no such"}, NULL, 0);
                (void)message_send_replace(fd,
                        &(struct message_replace){.token = token, .life = UINT64_MAX, .reason = ""}, NULL, 0);
                (void)message_send_unit_please(fd, &nobody[i % ARRAY_SIZE(nobody)], NULL, 0);
                /* Its own control is no process. */
                (void)message_send_unit_please(fd, &nobody[i % ARRAY_SIZE(nobody)], &fd, 1);
                (void)poll(NULL, 0, 5);
        }
        ask_last(planted);
}

/* Looks of 4 s that are asked for without end: more than this many is more than the supervisor should start. */
#define LOOKS_MAX 25U

static void control_looks(const struct planted *planted, unsigned argument)
{
        const struct message_look_please please = {planted->broker->config->tokens[0]->name};
        struct pollfd at = {.fd = planted->broker->uplink.fd, .events = POLLIN};
        unsigned n = 0;

        for (uint64_t until = now_usec() + 4 * USEC_PER_SEC; now_usec() < until;) {
                struct wire wire;

                (void)message_send_look_please(at.fd, &please, NULL, 0);
                for (int wait_msec = 20; poll(&at, 1, wait_msec) > 0 && next_message(at.fd, &wire) == 0;
                        wait_msec = 0)
                        n += message_type(&wire) == MESSAGE_TYPE_LOOK;
        }
        log_warning("planted: %u looks", n);
        if (n == 0 || n > LOOKS_MAX)
                not_so("looks without end");
        ask_last(planted);
}

/* It asks, and reads no answer. */
static void control_flood(const struct planted *planted, unsigned argument)
{
        const struct message_unit_please question = {.ticket = 1, .pid = 1};
        struct pollfd at = {.fd = planted->broker->uplink.fd, .events = POLLOUT};

        while (poll(&at, 1, WAIT_MSEC) > 0)
                if (message_send_unit_please(at.fd, &question, NULL, 0) < 0)
                        break;
        not_so("the supervisor lets this broker live");
}

static void control_empty(const struct planted *planted, unsigned argument)
{
        send_raw(planted->broker->uplink.fd, "", 0, 0);
        (void)poll(NULL, 0, WAIT_MSEC);
}

/* ---- to workers and tokend-audit, and on all the rest ---- */

/* Sends one message, and drops what comes meanwhile: whoever answers must not wait for this side. */
static void send_one(int fd, const void *data, size_t length)
{
        static uint8_t dropped[LIMIT_CHANNEL_MESSAGE];

        for (struct pollfd at = {.fd = fd, .events = POLLIN | POLLOUT}; poll(&at, 1, WAIT_MSEC) > 0;) {
                if (at.revents & POLLIN)
                        (void)recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT);
                else {
                        (void)send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
                        return;
                }
        }
}

/* Each type, alone, with a number, and with much behind it, of which one kind of bytes are lengths beyond every end. */
static void send_nonsense(int fd, uint64_t number)
{
        static const int fills[] = {0, 1, 0xff};
        static const size_t lengths[] = {1, 9, 18, 30, 400};
        static uint8_t bytes[LIMIT_CHANNEL_MESSAGE + 4096];

        for (unsigned type = 0; type < MESSAGE_TYPE_MAX_ + 2; type++)
                for (size_t i = 0; i < ARRAY_SIZE(lengths) * ARRAY_SIZE(fills); i++) {
                        size_t length = lengths[i % ARRAY_SIZE(lengths)];

                        memset(bytes, fills[i / ARRAY_SIZE(lengths)], length);
                        bytes[0] = (uint8_t)type;
                        for (size_t j = 1; j < 9 && length > 9; j++)
                                bytes[j] = (uint8_t)(number >> (8 * (j - 1)));
                        send_one(fd, bytes, length);
                }
        memset(bytes, 1, sizeof(bytes));
        send_one(fd, bytes, LIMIT_CHANNEL_MESSAGE);
        send_one(fd, bytes, sizeof(bytes));
}

/* Waits until a message of this type and number comes. */
static bool comes(int fd, enum message_type type, uint64_t number)
{
        static uint8_t buffer[LIMIT_CHANNEL_MESSAGE];

        for (struct pollfd at = {.fd = fd, .events = POLLIN}; poll(&at, 1, WAIT_MSEC) > 0;) {
                struct wire wire = {.data = buffer};

                if (channel_receive_plain(fd, buffer, sizeof(buffer), &wire.size) == 1)
                        return false;
                if (message_type(&wire) == type && wire_get_u64(&wire) >= number)
                        return true;
        }
        return false;
}

static void nonsense_to_worker(const struct planted *planted, unsigned argument)
{
        struct token *token = LINK_OF(planted->broker->tokens.next, struct token, link);
        const struct worker *worker = token->worker;
        const uint64_t first = (uint64_t)worker->epoch << 32;
        const struct message_probe probe = {.request = first | UINT32_MAX};

        send_nonsense(worker->fd, first | 1);
        send_nonsense(worker->fd, 1);
        if (message_send_probe(worker->fd, &probe, NULL, 0) < 0 ||
                !comes(worker->fd, MESSAGE_TYPE_REPLY, probe.request))
                not_so("the worker does not answer any more");
}

static const char *const forged[] = {
        "{\"kind\":\"start\",\"pid\":1}",
        "{\"kind\":\"rotated\",\"file\":\"x\",\"headSigned\":true}",
        "{\"kind\":\"damaged\",\"file\":\"x\",\"reason\":\"x\"}",
        "{\"kind\":\"torn\",\"bytes\":1,\"file\":\"x\"}",
        "{\"kind\":\"reopened\",\"reason\":\"x\"}",
        "{\"kind\":\"head\",\"signedSeq\":1,\"signedHash\":\"00\",\"algorithm\":\"ed25519\",\"key\":\"k\"}",
        "{\"kind\":\"audit-back\",\"since\":\"x\",\"reason\":\"x\",\"late\":0,\"lost\":0}",
        "{\"kind\":\"sign\",\"seq\":1}",
        "{\"prev\":\"00\",\"kind\":\"sign\"}",
        "{\"kind\":\"sign\",\"hash\":\"00\"}",
        "{\"k\\u0069nd\":\"\\u0068ead\"}",
        "{\"a\":1}\n{\"b\":2}",
        "",
};

static void forges_records(const struct planted *planted, unsigned argument)
{
        int fd = planted->broker->audit->fd;
        struct message_record record = {.number = UINT64_MAX / 2};

        for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
                record.number++;
                record.text = forged[i];
                if (message_send_record(fd, &record, NULL, 0) < 0 ||
                        !comes(fd, MESSAGE_TYPE_UNSAFE, record.number))
                        not_so(forged[i]);
        }
}

static void nonsense_to_audit(const struct planted *planted, unsigned argument)
{
        int fd = planted->broker->audit->fd;
        const struct message_record record = {
                .number = UINT64_MAX, .text = "{\"kind\":\"sign\",\"instance\":\"planted\"}"};

        send_nonsense(fd, 1);
        if (message_send_record(fd, &record, NULL, 0) < 0 || !comes(fd, MESSAGE_TYPE_SAFE, record.number))
                not_so("tokend-audit does not answer any more");
}

/* Whatever other descriptor there is: listening sockets, the log, connections. */
static void nonsense_everywhere(const struct planted *planted, unsigned argument)
{
        for (int fd = 4; fd < 64; fd++)
                for (unsigned i = 0; i < 100; i++) {
                        (void)send(fd, "\0\xff rubbish", 10, MSG_NOSIGNAL | MSG_DONTWAIT);
                        (void)send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT);
                }
        ask_last(planted);
}

static const struct attempt list[] = {
        {"control-unknown-type", END_KILLED, control_bad, 0},
        {"control-no-type", END_KILLED, control_bad, 1},
        {"control-cut", END_KILLED, control_bad, 2},
        {"control-of-a-worker", END_KILLED, control_bad, 3},
        {"control-of-the-supervisor", END_KILLED, control_bad, 4},
        {"control-drained-too-soon", END_KILLED, control_bad, 5},
        {"control-leaving", END_KILLED, control_bad, 6},
        {"control-pong-of-the-future", END_KILLED, control_bad, 7},
        {"control-text-without-end", END_KILLED, control_bad, 8},
        {"control-something-behind", END_KILLED, control_bad, 9},
        {"control-a-descriptor", END_KILLED, control_bad, 10},
        {"control-three-descriptors", END_KILLED, control_bad, 11},
        {"control-many-descriptors", END_KILLED, control_bad, 12},
        {"control-two-pidfds", END_KILLED, control_bad, 13},
        {"control-long", END_KILLED, control_long, 9000},
        {"control-longest", END_KILLED, control_long, LIMIT_CHANNEL_MESSAGE},
        {"control-flood", END_KILLED, control_flood, 0},
        {"control-empty", END_ANY, control_empty, 0},
        {"control-repeats", END_NONE, control_repeats, 0},
        {"control-looks", END_NONE, control_looks, 0},
        {"worker-nonsense", END_NONE, nonsense_to_worker, 0},
        {"audit-forged-records", END_NONE, forges_records, 0},
        {"audit-nonsense", END_NONE, nonsense_to_audit, 0},
        {"nonsense-everywhere", END_NONE, nonsense_everywhere, 0},
};

const struct attempts attempts_message = {list, ARRAY_SIZE(list)};
