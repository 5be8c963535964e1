/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The supervisor's loop: start, signals, the tick that pings everybody, and the way out. It reads nothing from a
 * client, and waits for no child.
 */
#include "daemon/supervisor/supervisor.h"

#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/sandbox/close-off.h"
#include "daemon/sandbox/filter.h"
#include "daemon/sandbox/landlock.h"
#include "daemon/supervisor/notify.h"
#include "daemon/supervisor/reload.h"
#include "daemon/supervisor/succession.h"
#include "daemon/supervisor/timer.h"
#include "daemon/supervisor/token-looks.h"
#include "daemon/util/log.h"

#define TICK_USEC USEC_PER_SEC
/* Requests in flight at SIGTERM have this long (tokend(8) promises it); the broker has a moment more to say so. */
#define DRAIN_USEC       (5 * USEC_PER_SEC)
#define DRAIN_EXTRA_USEC (500 * USEC_PER_MSEC)
/* A tick that comes later than this means that this process was stopped itself: then no child is to blame for its silence. */
#define LATE_USEC (2 * USEC_PER_SEC)

/* ---- the tick ---- */

/* Their files may be removed under us, by whoever cleans up too much. */
static void mend_sockets(struct supervisor *supervisor)
{
        struct sockets *sockets = &supervisor->sockets;
        struct child *broker = &supervisor->broker.child;

        if (sockets_mend(&sockets->keys))
                (void)child_tell(broker, listen, sockets->keys.fd, .kind = LISTEN_KEYS);
        if (sockets_mend(&sockets->status))
                (void)child_tell(broker, listen, sockets->status.fd, .kind = LISTEN_STATUS);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervisor *supervisor = userdata;
        uint64_t now = now_usec();
        bool forgive = now > supervisor->ticked_usec + supervisor->tick_usec + LATE_USEC;

        supervisor->ticked_usec = now;
        if (supervisor->phase != PHASE_CLOSING) {
                mend_sockets(supervisor);
                (void)child_tick(&supervisor->broker.child, now, forgive);
                (void)child_tick(&supervisor->audit.child, now, forgive);
                for (size_t i = 0; i < supervisor->n_tokens; i++)
                        supervised_token_tick(supervisor->tokens[i], now, forgive);
        }
        /* If the service manager did not read the last time, it is told now. */
        supervisor->changed = true;
        notify_watchdog(supervisor);
        timer_set(supervisor->event, &supervisor->tick, now + supervisor->tick_usec, on_tick, supervisor);
        return 0;
}

static void start_ticking(struct supervisor *supervisor)
{
        uint64_t usec = 0;

        supervisor->watchdog = sd_watchdog_enabled(0, &usec) > 0;
        supervisor->tick_usec = supervisor->watchdog ? MIN_OF(usec / 4, TICK_USEC) : TICK_USEC;
        supervisor->ticked_usec = now_usec();
        timer_set(supervisor->event, &supervisor->tick, supervisor->ticked_usec + supervisor->tick_usec,
                on_tick, supervisor);
}

/* ---- the way out ---- */

static void begin_to_close(struct supervisor *supervisor)
{
        supervisor->phase = PHASE_CLOSING;
        child_end(&supervisor->broker.child);
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                child_end(supervisor->tokens[i]->worker);
                child_end(supervisor->tokens[i]->other);
                nickname_check_end(supervisor->tokens[i]);
        }
}

static bool others_are_gone(const struct supervisor *supervisor)
{
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                if (supervised_token_has_process(supervisor->tokens[i]))
                        return false;
        return supervisor->broker.child.pid == 0;
}

/* Takes each step of the way out whose predecessor is done. */
static void step_out(struct supervisor *supervisor)
{
        if (supervisor->phase == PHASE_DRAINING &&
                (supervisor->broker.drained || supervisor->broker.child.pid == 0)) {
                supervisor->phase = PHASE_SIGNING;
                audit_process_drain(&supervisor->audit);
        }
        if (supervisor->phase == PHASE_SIGNING && !supervisor->audit.draining)
                begin_to_close(supervisor);
        if (supervisor->phase == PHASE_CLOSING && others_are_gone(supervisor)) {
                /* tokend-audit is the last: until here the others might have something to record. */
                child_end(&supervisor->audit.child);
                if (supervisor->audit.child.pid == 0)
                        (void)sd_event_exit(supervisor->event, 0);
        }
}

static void free_removed_tokens(struct supervisor *supervisor)
{
        size_t n = 0;

        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                struct supervised_token *token = supervisor->tokens[i];

                if (token->config || supervised_token_has_process(token))
                        supervisor->tokens[n++] = token;
                else
                        supervised_token_free(token);
        }
        supervisor->n_tokens = n;
}

/* Runs when the events that were there have been handled, and does what follows from them. */
static int after_event(sd_event_source *source, void *userdata)
{
        struct supervisor *supervisor = userdata;

        free_removed_tokens(supervisor);
        if (supervisor_is_stopping(supervisor))
                step_out(supervisor);
        else if (supervisor->changed || !supervisor->ready)
                notify_state(supervisor);
        return 0;
}

static int on_drain_over(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervisor *supervisor = userdata;

        if (supervisor->phase == PHASE_DRAINING) {
                log_warning("not everything in flight could be answered in time");
                supervisor->broker.drained = true;
        }
        return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct supervisor *supervisor = userdata;
        uint64_t deadline = now_usec() + DRAIN_USEC;

        if (supervisor_is_stopping(supervisor))
                return 0;
        log_notice("stopping");
        notify_stopping(supervisor);
        supervisor->phase = PHASE_DRAINING;
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                look_end(supervisor->tokens[i]);
                succession_drop(supervisor->tokens[i]);
        }
        if (child_tell(&supervisor->broker.child, drain, -1, .deadline_usec = deadline) < 0)
                supervisor->broker.drained = true;
        timer_set(supervisor->event, &supervisor->stop_timer, deadline + DRAIN_EXTRA_USEC, on_drain_over,
                supervisor);
        return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct supervisor *supervisor = userdata;

        if (!supervisor_is_stopping(supervisor))
                supervisor_reload(supervisor);
        return 0;
}

static int on_rotate(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct supervisor *supervisor = userdata;

        audit_process_rotate(&supervisor->audit);
        return 0;
}

/* ---- start ---- */

void supervisor_block_signals(void)
{
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGHUP);
        sigaddset(&signals, SIGUSR1);
        sigaddset(&signals, SIGCHLD);
        (void)sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int start_loop(struct supervisor *supervisor)
{
        int r = sd_event_new(&supervisor->event);

        if (r >= 0)
                r = sd_event_add_signal(supervisor->event, NULL, SIGTERM, on_stop, supervisor);
        if (r >= 0)
                r = sd_event_add_signal(supervisor->event, NULL, SIGINT, on_stop, supervisor);
        if (r >= 0)
                r = sd_event_add_signal(supervisor->event, NULL, SIGHUP, on_reload, supervisor);
        if (r >= 0)
                r = sd_event_add_signal(supervisor->event, NULL, SIGUSR1, on_rotate, supervisor);
        if (r >= 0)
                r = sd_event_add_post(supervisor->event, NULL, after_event, supervisor);
        return r;
}

static int make_tokens(struct supervisor *supervisor)
{
        const struct config *config = supervisor->config;

        supervisor->tokens = calloc(config->n_tokens, sizeof(struct supervised_token *));
        if (!supervisor->tokens)
                return -ENOMEM;
        for (; supervisor->n_tokens < config->n_tokens; supervisor->n_tokens++) {
                int r = supervised_token_new(supervisor, config->tokens[supervisor->n_tokens],
                        &supervisor->tokens[supervisor->n_tokens]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Before there is a child or a thread: all inherit what is given up here. */
static int shut_off(void)
{
        int r = close_off();

        if (r < 0)
                return r;
        r = landlock_domain();
        if (r > 0)
                log_notice(
                        "this kernel has no Landlock (Linux 5.19 or later, and `landlock` among its lsm=): "
                        "the seccomp filters alone bound what a process that was taken over can reach");
        return r < 0 ? r : filter_enter(&filter_supervisor);
}

/* 1: it cannot start, and the log says why. -errno. */
static int start_everything(struct supervisor *supervisor)
{
        int r;

        r = shut_off();
        if (r == 0)
                r = start_loop(supervisor);
        if (r < 0)
                return r;
        broker_process_init(&supervisor->broker, supervisor);
        audit_process_init(&supervisor->audit, supervisor);
        r = sockets_open(&supervisor->sockets, supervisor->config);
        if (r == 0)
                r = make_tokens(supervisor);
        if (r != 0)
                return r;
        /* Whatever cannot be started now is tried again later. */
        audit_process_configure(&supervisor->audit);
        broker_process_start(&supervisor->broker);
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                supervised_token_arm(supervisor->tokens[i]);
        start_ticking(supervisor);
        return 0;
}

static void supervisor_done(struct supervisor *supervisor)
{
        if (supervisor->reloading)
                config_thread_leave(supervisor->reloading);
        if (supervisor->event) {
                broker_process_done(&supervisor->broker);
                audit_process_done(&supervisor->audit);
        }
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                supervised_token_free(supervisor->tokens[i]);
        free(supervisor->tokens);
        sockets_close(&supervisor->sockets);
        sd_event_source_disable_unref(supervisor->tick);
        sd_event_source_disable_unref(supervisor->stop_timer);
        sd_event_unref(supervisor->event);
        config_free(supervisor->config);
        closep(&supervisor->config_fd);
        free(supervisor->status);
}

int supervisor_run(const char *config_path, struct config *config, int config_fd)
{
        _cleanup_(supervisor_done) struct supervisor supervisor = {
                .config_path = config_path,
                .config = config,
                .config_fd = config_fd,
                .started_usec = wall_usec(),
                .config_state = {.ok = true, .since_usec = wall_usec()},
                .sockets = SOCKETS_NONE,
                .broker.child.control_fd = -1,
                .audit.child.control_fd = -1,
        };
        int r;

        r = start_everything(&supervisor);
        if (r < 0)
                log_error("cannot start: %s", strerror(-r));
        if (r != 0)
                return EXIT_FAILURE;
        r = sd_event_loop(supervisor.event);
        if (r < 0)
                log_error("the event loop failed: %s", strerror(-r));
        else if (r == 0)
                log_notice("stopped");
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
