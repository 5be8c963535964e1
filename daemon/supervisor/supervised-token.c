/* SPDX-License-Identifier: MPL-2.0 */
/* See supervised-token.h. */
#include "daemon/supervisor/supervised-token.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/peer-channels.h"
#include "daemon/supervisor/retire.h"
#include "daemon/supervisor/state-log.h"
#include "daemon/supervisor/succession.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/timer.h"
#include "daemon/supervisor/token-looks.h"
#include "daemon/supervisor/trial.h"
#include "daemon/supervisor/wish.h"
#include "daemon/supervisor/worker-process.h"
#include "daemon/util/log.h"

static const struct child_class worker_class;

static void on_changed(struct supervised_token *token);

int supervised_token_new(
        struct supervisor *supervisor, const struct config_token *config, struct supervised_token **ret)
{
        struct supervised_token *token = calloc(1, sizeof(*token));

        if (!token)
                return -ENOMEM;
        token->name = strdup(config->name);
        if (!token->name) {
                free(token);
                return -ENOMEM;
        }
        token->supervisor = supervisor;
        token->config = config;
        token->worker_config_fd = -1;
        token->ready_usec = now_usec() + config->start_timeout_usec;
        life_init(&token->life, moment_now());
        token->worker = &token->workers[0];
        token->other = &token->workers[1];
        child_init(token->worker, supervisor->event, &worker_class, token, "tokend-worker", token->name);
        child_init(token->other, supervisor->event, &worker_class, token, "tokend-worker", token->name);
        succession_init(token);
        token_looks_init(token);
        module_output_open(&token->output, supervisor->event, token->name);
        token->worker->output_fd = token->other->output_fd = token->look.output_fd =
                token->nickname_check.output_fd = token->output.module_fd;
        token->on_changed = on_changed;
        *ret = token;
        return 0;
}

void supervised_token_free(struct supervised_token *token)
{
        if (!token)
                return;
        child_done(token->worker);
        child_done(token->other);
        succession_done(token);
        token_looks_done(token);
        module_output_close(&token->output);
        sd_event_source_disable_unref(token->timer);
        closep(&token->worker_config_fd);
        free(token->name);
        free(token);
}

struct supervised_token *supervised_token_find(const struct supervisor *supervisor, const char *name)
{
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                if (strcmp(supervisor->tokens[i]->name, name) == 0)
                        return supervisor->tokens[i];
        return NULL;
}

/* ---- telling ---- */

static void tell_broker(const struct supervised_token *token)
{
        (void)child_tell(&token->supervisor->broker.child, token, -1, .token = token->name,
                .state = (uint8_t)token->life.state, .reason = token->life.reason,
                .since_usec = token->life.since_usec, .restarts = life_restarts(&token->life),
                .end = token->life.end);
}

void supervised_token_tell(struct supervised_token *token)
{
        if (!token->config)
                return;
        state_log_token(token);
        tell_broker(token);
        wish_settle(token);
        token->supervisor->changed = true;
}

static void tell_broker_of_worker(const struct supervised_token *token, int fd)
{
        (void)child_tell(&token->supervisor->broker.child, worker, fd, .token = token->name,
                .life = token->life_number, .epoch = token->supervisor->epoch);
}

/* ---- starting ---- */

/* Ends its worker; when it is gone, another one is started. The reason is for the status. */
static void replace_worker(struct supervised_token *token, const char *reason)
{
        if (!life_runs(&token->life))
                return;
        life_replaced(&token->life, moment_now(), reason);
        child_end(token->worker);
        supervised_token_tell(token);
        supervised_token_arm(token);
}

static int start_worker(struct supervised_token *token, int *ret_fd)
{
        struct supervisor *supervisor = token->supervisor;
        int r;

        closep(&token->worker_config_fd);
        token->worker_config_fd = fcntl(supervisor->config_fd, F_DUPFD_CLOEXEC, 10);
        if (token->worker_config_fd < 0)
                return -errno;
        r = worker_process_start(token->worker, token->config, supervisor->config_fd,
                (struct worker_task){.epoch = ++supervisor->epoch,
                        .patience = life_patience(&token->life),
                        .anew = token->anew},
                ret_fd);
        token->anew = false;
        return r;
}

static void start(struct supervised_token *token)
{
        _cleanup_(closep) int fd = -1;
        char reason[REASON_SIZE];
        int r;

        if (pin_is_refused(&token->refused_pin, token->config)) {
                life_fail(
                        &token->life, moment_now(), "the PIN was refused to a look, and is not tried again");
                supervised_token_tell(token);
                return;
        }
        token->refused_pin.refused = false;
        token->worker_pin = pin_identity_of(token->config);
        token->life_number = ++token->supervisor->last_life;
        life_started(&token->life, moment_now(), token->config->start_timeout_usec);
        r = start_worker(token, &fd);
        if (r < 0) {
                snprintf(reason, sizeof(reason), "tokend-worker cannot be started: %s", strerror(-r));
                life_reaped(&token->life, moment_now(), reason);
                supervised_token_tell(token);
                return;
        }
        tell_broker(token);
        tell_broker_of_worker(token, fd);
        peer_channels_open(token);
}

void supervised_token_connect(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        token->wish.number = 0; /* whoever asked is gone */
        if (token->config)
                succession_connect(token);
        if (!token->config || !child_is_live(token->worker))
                return;
        if (token->life.renewed || token->life.disabled) {
                child_end(token->worker);
                return;
        }
        r = channel_pair(fds);
        if (r < 0) {
                /* Without a channel it serves nobody. */
                replace_worker(token, "a request channel to it cannot be made");
                return;
        }
        ours = fds[0];
        theirs = fds[1];
        supervisor->epoch++;
        if (child_tell(token->worker, channel, theirs, .epoch = supervisor->epoch) == 0)
                tell_broker_of_worker(token, ours);
}

static void overdue(struct supervised_token *token)
{
        char reason[REASON_SIZE];

        snprintf(reason, sizeof(reason), "the worker was not logged in within StartTimeout= (%ju ms)",
                (uintmax_t)(token->config->start_timeout_usec / USEC_PER_MSEC));
        life_condemned(&token->life, moment_now(), true, reason);
        /* It may be in the middle of C_Login. */
        child_end(token->worker);
        supervised_token_tell(token);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;
        uint64_t now = now_usec();

        if (supervisor_is_stopping(token->supervisor) || !token->config)
                return 0;
        if (token->life.wake_usec <= now) {
                if (token->life.phase == LIFE_WAITING)
                        start(token);
                else if (token->life.phase == LIFE_STARTING)
                        overdue(token);
                else {
                        /* The section changed, and it is not done in time. */
                        token->life.wake_usec = USEC_NEVER;
                        child_end(token->worker);
                }
        }
        supervised_token_arm(token);
        return 0;
}

void supervised_token_arm(struct supervised_token *token)
{
        uint64_t usec = token->life.wake_usec;

        if (supervisor_is_stopping(token->supervisor) || !token->config)
                usec = USEC_NEVER;
        else if (!token->supervisor->ready && token->ready_usec > now_usec())
                usec = MIN_OF(usec, token->ready_usec);
        timer_set(token->supervisor->event, &token->timer, usec, on_due, token);
}

void supervised_token_tick(struct supervised_token *token, uint64_t now, bool forgive)
{
        if (child_tick(token->worker, now, forgive)) {
                life_condemned(&token->life, moment_now(), false,
                        "the worker did not answer for 5 s and was killed");
                supervised_token_tell(token);
        }
        if (child_tick(token->other, now, forgive))
                log_error("%s: the worker beside it did not answer for 5 s", token->name);
        for (struct child *at = token->workers; at < token->workers + ARRAY_SIZE(token->workers); at++)
                if (child_is_stuck(at, now))
                        log_error("%s (pid %d) was killed and is still there", at->name, (int)at->pid);
}

/* ---- ending ---- */

void supervised_token_remove(struct supervised_token *token)
{
        succession_drop(token);
        token->config = NULL;
        supervised_token_arm(token);
        child_end(token->worker);
        child_end(token->other);
        look_end(token);
        state_log_removed(token);
}

void supervised_token_configure(struct supervised_token *token, const struct config_token *config, bool renew)
{
        uint64_t finish_usec;

        token->config = config;
        if (renew)
                token->proven = false;
        /* That an operator wants no worker outlives every section. */
        if (!renew || token->life.state == TOKEN_DISABLED)
                return;
        finish_usec = retire_worker(token, "its section changed");
        token->refused_pin.refused = false;
        life_renew(&token->life, moment_now(), finish_usec);
        if (finish_usec == 0)
                child_end(token->worker);
        look_end(token);
        supervised_token_tell(token);
        supervised_token_arm(token);
}

static void on_gone(struct child *child, const char *how)
{
        struct supervised_token *token = child->userdata;
        bool renewed = token->life.renewed;
        char reason[REASON_SIZE];

        if (child == token->other) {
                /* Without room for two the one that is there ends first. */
                if (succession_gone(token, how) && !supervisor_is_stopping(token->supervisor) &&
                        trial_begin(token))
                        supervised_token_configure(token, token->config, true);
                return;
        }
        snprintf(reason, sizeof(reason), "the worker %s", how);
        life_reaped(&token->life, moment_now(), reason);
        nickname_check_end(token);
        if (token->config)
                (void)child_tell(&token->supervisor->broker.child, gone, -1, .token = token->name,
                        .life = token->life_number);
        if (supervisor_is_stopping(token->supervisor))
                return;
        if (trial_is_lost(token, renewed))
                life_renew(&token->life, moment_now(), 0);
        supervised_token_tell(token);
        supervised_token_arm(token);
}

/* ---- what it says, and what the broker says of it ---- */

static int on_ending(struct supervised_token *token, struct wire *wire)
{
        struct message_ending ending;
        int r = worker_process_ending(wire, &ending);

        if (r < 0)
                return r;
        /* A worker that served has read the file again, for a login that it lost; a worker that starts has read it just now. A
         * removed token has no file, and of a section that changed this was another one. */
        if (ending.end == WORKER_END_PIN && token->config && !token->life.renewed) {
                struct pin_identity now = pin_identity_of(token->config);

                pin_refuse(
                        &token->refused_pin, token->life.phase == LIFE_SERVING ? &now : &token->worker_pin);
        }
        life_ending(&token->life, moment_now(), (enum worker_end)ending.end, ending.reason);
        supervised_token_tell(token);
        supervised_token_arm(token);
        return 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct supervised_token *token = child->userdata;
        struct message_up up;
        int r;

        if (child == token->other)
                return succession_message(token, type, wire);
        switch (type) {
        case MESSAGE_TYPE_UP:
                r = message_get_up(wire, &up);
                if (r == 0) {
                        token->anew = false;
                        life_up(&token->life, moment_now());
                        on_changed(token);
                }
                return r;
        case MESSAGE_TYPE_ENDING:
                return on_ending(token, wire);
        case MESSAGE_TYPE_SEEK:
                return nickname_check_ask(token, wire);
        default:
                return -EBADMSG;
        }
}

static const struct child_class worker_class = {.on_message = on_message, .on_exit = on_gone};

/* Its life went on: another worker serves, or this one. */
static void on_changed(struct supervised_token *token)
{
        if (token->life.phase == LIFE_SERVING)
                trial_is_won(token);
        supervised_token_tell(token);
        supervised_token_arm(token);
}

void supervised_token_serving(struct supervised_token *token, uint64_t life)
{
        if (succession_serving(token, life) || life != token->life_number || !life_runs(&token->life))
                return;
        life_serving(&token->life, moment_now());
        on_changed(token);
}

void supervised_token_replace(struct supervised_token *token, const struct message_replace *message)
{
        if (succession_replace(token, message) || message->life != token->life_number)
                return;
        if (message->full)
                life_ending(&token->life, moment_now(), WORKER_END_FULL, message->reason);
        replace_worker(token, message->reason);
}
