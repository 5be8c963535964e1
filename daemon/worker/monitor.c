/* SPDX-License-Identifier: MPL-2.0 */
/* See monitor.h. */
#include "daemon/worker/monitor.h"

#include <poll.h>
#include <signal.h>
#include <string.h>

#include "daemon/sandbox/close-off.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/util/log.h"
#include "daemon/worker/device/module.h"
#include "daemon/worker/look-list.h"
#include "daemon/worker/nickname-check.h"
#include "daemon/worker/threads.h"

/* Bytes of a SEEK, at most: a nickname, an id, a claimant. */
#define QUESTION_MAX 1024U

/* What the loader thread works with, as long as the process lives. */
struct loader {
        struct config *config;
        struct slot_token token;
        struct threads *threads;
        enum look_kind look;
        struct message_seek seek; /* the question to a look for a nickname; its texts are in question */
        uint8_t question[QUESTION_MAX];
};

/* The PIN and the sessions are in this memory. The module may do what it likes with this process, and nothing to another. The
 * seccomp filter is the supervisor's, which this process has inherited. */
static int harden(void)
{
        int r = close_off();

        if (r == 0)
                r = landlock_domain();
        if (r < 0)
                return r;
        /* Signals for the terminal's processes or for the whole service are the supervisor's to act on. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        /* systemd's watchdog sends it to all processes. An abort(3) ends this one all the same. */
        signal(SIGABRT, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        return 0;
}

static int check_nickname(struct loader *loader, struct failure *failure)
{
        struct message_sought sought = {.number = loader->seek.number, .ok = 1};
        unsigned seen = 0;
        int r = nickname_check_run(&loader->token, &loader->seek, &seen, failure);

        if (r != 0)
                return r;
        sought.seen = (uint8_t)seen;
        r = message_send_sought(CONTROL_FD, &sought, NULL, 0);
        return r == 0 ? 0 : failure_set(failure, WORKER_END_ERROR, 0, "cannot send SOUGHT: %s", strerror(-r));
}

/* In a thread of its own: C_Initialize and C_Login may take long, and the monitor must answer meanwhile. */
static void *load(void *userdata)
{
        struct loader *loader = userdata;
        struct failure failure;
        int r;

        if (loader->look == LOOK_SEEK)
                r = check_nickname(loader, &failure);
        else if (loader->look == LOOK_LIST)
                r = look_list_run(&loader->token, &failure);
        else {
                r = module_load(&loader->token, &failure);
                if (r == 0)
                        r = threads_start(loader->threads, &loader->token, loader->config, &failure);
        }
        if (r < 0)
                (void)failure_errno(&failure, r);
        if (r != 0)
                threads_end(loader->threads, &failure);
        if (loader->look != LOOK_NONE)
                _exit(EXIT_SUCCESS);
        return NULL;
}

static int receive(uint8_t *buffer, size_t size, struct wire *ret, int fds[static LIMIT_CHANNEL_FDS])
{
        size_t length;
        int r = channel_receive(CONTROL_FD, buffer, size, &length, fds);

        if (r == 0)
                *ret = (struct wire){.data = buffer, .size = length};
        return r;
}

/* The second message of a look for a nickname. */
static int receive_question(struct loader *loader)
{
        struct wire wire = {.data = loader->question};
        int r = channel_receive_plain(CONTROL_FD, loader->question, sizeof(loader->question), &wire.size);

        if (r != 0)
                return r < 0 ? r : -EPIPE;
        return message_type(&wire) == MESSAGE_TYPE_SEEK ? message_get_seek(&wire, &loader->seek) : -EBADMSG;
}

static int begin(struct loader *loader, struct wire *wire, int config_fd)
{
        const struct config_token *config;
        struct message_start start;
        pthread_t thread;
        int r;

        if (message_type(wire) != MESSAGE_TYPE_START || message_get_start(wire, &start) < 0 ||
                start.version != MESSAGE_VERSION || start.look > LOOK_SEEK || config_fd < 0)
                return -EBADMSG;
        r = config_from_memfd(config_fd, &loader->config);
        if (r < 0)
                return r;
        config = config_token(loader->config, start.token);
        if (!config)
                return -ENOENT;
        loader->look = start.look;
        slot_token_init(&loader->token, config, start.look != LOOK_NONE, start.patience);
        loader->token.daemon = loader->config;
        loader->token.anew = start.anew;
        loader->token.beside = start.beside;
        if (loader->look == LOOK_SEEK) {
                r = receive_question(loader);
                if (r < 0)
                        return r;
        }
        r = threads_new(start.epoch, &loader->threads);
        if (r < 0)
                return r;
        r = -pthread_create(&thread, NULL, load, loader);
        if (r == 0)
                pthread_detach(thread);
        return r;
}

static void control(struct loader *loader, struct wire *wire, int fds[static LIMIT_CHANNEL_FDS])
{
        enum message_type type = message_type(wire);
        struct message_channel channel;
        struct message_sought sought;
        struct message_peer peer;
        struct message_ping ping;

        if (type == MESSAGE_TYPE_PING && message_get_ping(wire, &ping) == 0)
                (void)message_send_pong(CONTROL_FD, &(struct message_pong){ping.number}, NULL, 0);
        else if (type == MESSAGE_TYPE_CHANNEL && message_get_channel(wire, &channel) == 0 && fds[0] >= 0)
                threads_channel(loader->threads, take_fd(&fds[0]), channel.epoch);
        else if (type == MESSAGE_TYPE_SOUGHT && message_get_sought(wire, &sought) == 0)
                threads_sought(loader->threads, &sought);
        else if (type == MESSAGE_TYPE_PEER && message_get_peer(wire, &peer) == 0 && fds[0] >= 0)
                threads_peer(loader->threads, peer.token, take_fd(&fds[0]));
        else
                log_warning("the supervisor sent a %s that is not for a worker", message_name(type));
}

static _Noreturn void leave_closed(const struct loader *loader)
{
        module_close(&loader->token);
        _exit(EXIT_SUCCESS);
}

/* The control has ended: the supervisor is gone, or wants this worker to end. Calls into the module that are
 * in progress may return first, each within its Timeout= or GenerateTimeout=. */
static _Noreturn void leave(struct loader *loader)
{
        struct call_gate *gate = &loader->token.gate;
        uint64_t now = now_usec(), limit, until;

        call_gate_close(gate);
        limit = threads_stop(loader->threads);
        limit = MAX_OF(limit, loader->token.config->timeout_usec);
        if (call_gate_wait(gate, now))
                leave_closed(loader);
        until = now + limit;
        log_info("ends after the calls into the module that are in progress, in %ju ms at most",
                (uintmax_t)(limit / USEC_PER_MSEC));
        (void)message_send_leaving(CONTROL_FD, &(struct message_leaving){limit}, NULL, 0);
        for (uint64_t usec; now < until && (usec = threads_watch_stop(loader->threads)) > 0; now = now_usec())
                if (call_gate_wait(gate, MIN_OF(now + usec, until)))
                        leave_closed(loader);
        log_warning("ends within a call into the module that did not return in time");
        _exit(EXIT_SUCCESS);
}

/* After how many microseconds to look again. */
static uint64_t watch_calls(struct loader *loader)
{
        const struct slot_token *token = &loader->token;
        const char *call = NULL;
        struct failure failure;
        uint64_t threads = threads_watch(loader->threads);
        uint64_t start = slot_token_overdue(token, now_usec(), &call);

        if (start > 0)
                return MIN_OF(threads, start);
        failure_set(&failure, WORKER_END_HUNG, 0, "%s did not come back within %ju ms", call,
                (uintmax_t)(token->start.limit_usec / USEC_PER_MSEC));
        threads_end(loader->threads, &failure);
}

static _Noreturn void watch(struct loader *loader, uint8_t *buffer, size_t size)
{
        for (;;) {
                struct pollfd poll_fd = {.fd = CONTROL_FD, .events = POLLIN};
                uint64_t usec = watch_calls(loader);
                _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
                struct wire wire;
                int r;

                if (poll(&poll_fd, 1, (int)((usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC)) <= 0)
                        continue;
                r = receive(buffer, size, &wire, fds);
                if (r == 1)
                        leave(loader);
                if (r == 0)
                        control(loader, &wire, fds);
        }
}

int monitor_run(void)
{
        static struct loader loader;
        static uint8_t buffer[LIMIT_CHANNEL_MESSAGE];
        int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
        struct wire wire;
        int r;

        r = harden();
        if (r < 0) {
                log_error("cannot shut itself off from other processes: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        r = receive(buffer, sizeof(buffer), &wire, fds);
        if (r == 1)
                return EXIT_SUCCESS;
        if (r == 0)
                r = begin(&loader, &wire, fds[0]);
        channel_close_fds(&fds);
        if (r < 0) {
                log_error("no valid START from the supervisor: %s", strerror(-r));
                return EXIT_FAILURE;
        }
        watch(&loader, buffer, sizeof(buffer));
}
