/* SPDX-License-Identifier: MPL-2.0 */
/* See succession.h. */
#include "daemon/supervisor/succession.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/peer-channels.h"
#include "daemon/supervisor/section.h"
#include "daemon/supervisor/state-log.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/timer.h"
#include "daemon/supervisor/token-looks.h"
#include "daemon/supervisor/wish.h"
#include "daemon/supervisor/worker-process.h"
#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/util/printable.h"

/* Newcomers in a row that find no token, or whose device fails. */
#define TRIES 3U

static int on_due(sd_event_source *source, uint64_t usec, void *userdata);

static void arm(struct supervised_token *token)
{
        const struct succession *next = &token->next;
        uint64_t usec = next->leave_usec;

        if (next->phase == SUCCESSION_STARTING || (next->phase == SUCCESSION_DUE && token->other->pid == 0))
                usec = MIN_OF(usec, next->life.wake_usec);
        if (supervisor_is_stopping(token->supervisor))
                usec = USEC_NEVER;
        timer_set(token->supervisor->event, &token->next.timer, usec, on_due, token);
}

void succession_set_phase(struct supervised_token *token, enum succession_phase phase)
{
        token->next.phase = phase;
        if (phase == SUCCESSION_NONE) {
                config_token_free(TAKE_PTR(token->next.section));
                closep(&token->next.config_fd);
                token->next.config_fd = -1;
        }
        arm(token);
        section_tell_state(token->supervisor);
        token->supervisor->changed = true;
        wish_settle(token);
}

void succession_init(struct supervised_token *token)
{
        token->next.config_fd = -1;
        token->next.leave_usec = USEC_NEVER;
}

void succession_done(struct supervised_token *token)
{
        config_token_free(token->next.section);
        closep(&token->next.config_fd);
        sd_event_source_disable_unref(token->next.timer);
}

/* ---- a newcomer ---- */

void succession_fail(struct supervised_token *token, const char *reason)
{
        (void)printable_copy(token->next.reason, sizeof(token->next.reason), reason, strlen(reason));
        succession_set_phase(token, SUCCESSION_FAILED);
        state_log_section(token);
}

static void tell_broker(const struct supervised_token *token, int fd)
{
        (void)child_tell(&token->supervisor->broker.child, worker, fd, .token = token->name,
                .life = token->next.life_number, .epoch = token->supervisor->epoch, .beside = true);
}

static void start(struct supervised_token *token)
{
        struct succession *next = &token->next;
        _cleanup_(closep) int fd = -1;
        char reason[REASON_SIZE];
        int r;

        if (pin_is_refused(&next->refused_pin, next->section)) {
                succession_fail(token, "the PIN was refused, and is not tried again before it changes");
                return;
        }
        next->refused_pin.refused = false;
        next->pin = pin_identity_of(next->section);
        next->life_number = ++token->supervisor->last_life;
        next->ckr = 0;
        /* As long as nothing serves, it is tried again and again, as any worker is. */
        next->only = token->life.phase == LIFE_SERVING;
        life_started(&next->life, moment_now(), next->section->start_timeout_usec);
        r = worker_process_start(token->other, next->section, next->config_fd,
                (struct worker_task){.epoch = ++token->supervisor->epoch, .beside = true}, &fd);
        if (r < 0) {
                snprintf(reason, sizeof(reason), "tokend-worker cannot be started: %s", strerror(-r));
                succession_fail(token, reason);
                return;
        }
        tell_broker(token, fd);
        succession_set_phase(token, SUCCESSION_STARTING);
}

/* What it was not able to do in its time. */
static void overdue(struct supervised_token *token)
{
        struct succession *next = &token->next;
        char reason[REASON_SIZE];

        if (next->life.phase == LIFE_STARTING)
                snprintf(reason, sizeof(reason), "the worker was not logged in within StartTimeout= (%ju ms)",
                        (uintmax_t)(next->section->start_timeout_usec / USEC_PER_MSEC));
        else
                snprintf(reason, sizeof(reason),
                        "the worker could not tell what is on the token (the log may say why)");
        life_condemned(&next->life, moment_now(), true, reason);
        child_end(token->other);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;
        struct succession *next = &token->next;
        uint64_t now = now_usec();

        if (next->leave_usec <= now) {
                next->leave_usec = USEC_NEVER;
                child_end(token->other);
        } else if (next->life.wake_usec <= now && next->phase == SUCCESSION_DUE && token->other->pid == 0)
                start(token);
        else if (next->life.wake_usec <= now && next->phase == SUCCESSION_STARTING)
                overdue(token);
        arm(token);
        return 0;
}

bool succession_protects(const struct supervised_token *token, const struct config_token *section)
{
        return token->config && token->proven && token->life.phase != LIFE_FAILED &&
               token->life.state != TOKEN_DISABLED && token->next.phase != SUCCESSION_ALONE &&
               token->config->role == section->role && !config_token_equal(token->config, section);
}

void succession_want(struct supervised_token *token, struct config_token *section, int config_fd)
{
        struct succession *next = &token->next;
        bool same = next->section && config_token_equal(next->section, section);

        config_token_free(next->section);
        next->section = section;
        /* It has that section already. */
        if (same && next->phase != SUCCESSION_FAILED) {
                section_tell_state(token->supervisor);
                return;
        }
        if (!same)
                next->refused_pin.refused = false;
        closep(&next->config_fd);
        next->config_fd = fcntl(config_fd, F_DUPFD_CLOEXEC, 10);
        if (next->config_fd < 0) {
                succession_fail(token, strerror(errno));
                return;
        }
        if (next->phase == SUCCESSION_STARTING)
                child_end(token->other);
        life_init(&next->life, moment_now());
        next->n_tries = 0;
        next->pending_usec = now_usec() + section->start_timeout_usec;
        succession_set_phase(token, SUCCESSION_DUE);
}

void succession_drop(struct supervised_token *token)
{
        if (token->next.phase == SUCCESSION_NONE)
                return;
        if (token->next.phase == SUCCESSION_STARTING)
                child_end(token->other);
        succession_set_phase(token, SUCCESSION_NONE);
}

bool succession_is_pending(const struct supervised_token *token, uint64_t now)
{
        const struct succession *next = &token->next;

        return token->config && next->phase != SUCCESSION_NONE && next->phase != SUCCESSION_FAILED &&
               now < next->pending_usec;
}

/* ---- they change places ---- */

/* A worker that has served before, and is to end when it has nothing left to do. */
static void leave(struct supervised_token *token, bool served)
{
        struct succession *next = &token->next;

        if (!served || !child_is_live(&token->supervisor->broker.child)) {
                child_end(token->other);
                return;
        }
        next->leave_usec =
                now_usec() + MAX_OF(next->section->timeout_usec, next->section->generate_timeout_usec);
}

static void take_over(struct supervised_token *token)
{
        struct succession *next = &token->next;
        bool served = token->life.phase == LIFE_SERVING;
        struct child *before = token->worker;
        int r;

        if (next->phase != SUCCESSION_STARTING || next->life.phase != LIFE_SERVING)
                return;
        r = section_exchange(token);
        if (r < 0) {
                child_end(token->other);
                succession_fail(token, strerror(-r));
                return;
        }
        look_end(token);
        nickname_check_end(token);
        token->worker = token->other;
        token->other = before;
        next->other_number = token->life_number;
        token->life_number = next->life_number;
        life_succeed(&token->life, &next->life);
        token->worker_pin = next->pin;
        token->refused_pin.refused = false;
        closep(&token->worker_config_fd);
        token->worker_config_fd = take_fd(&next->config_fd);
        (void)child_tell(&token->supervisor->broker.child, take_over, -1, .token = token->name,
                .life = token->life_number);
        peer_channels_open(token);
        leave(token, served);
        succession_set_phase(token, SUCCESSION_NONE);
        state_log_section(token);
        token->on_changed(token);
}

bool succession_serving(struct supervised_token *token, uint64_t life)
{
        struct succession *next = &token->next;

        if (life != next->life_number || next->phase != SUCCESSION_STARTING)
                return false;
        life_serving(&next->life, moment_now());
        take_over(token);
        return true;
}

bool succession_replace(struct supervised_token *token, const struct message_replace *message)
{
        struct succession *next = &token->next;

        if (message->life == next->life_number && next->phase == SUCCESSION_STARTING)
                life_condemned(&next->life, moment_now(), false, message->reason);
        else if (message->life != next->other_number || token->other->pid == 0)
                return false;
        child_end(token->other);
        return true;
}

void succession_connect(struct supervised_token *token)
{
        struct succession *next = &token->next;
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2];

        if (!child_is_live(token->other))
                return;
        /* What one that leaves was asked for is of the broker that is gone. */
        if (next->phase != SUCCESSION_STARTING || channel_pair(fds) < 0) {
                child_end(token->other);
                return;
        }
        ours = fds[0];
        theirs = fds[1];
        next->life.directory = false;
        token->supervisor->epoch++;
        if (child_tell(token->other, channel, theirs, .epoch = token->supervisor->epoch) == 0)
                tell_broker(token, ours);
}

/* ---- what it says, and its end ---- */

bool succession_is_refused_alike(const struct config_token *a, const struct config_token *b)
{
        return strcmp(a->module, b->module) == 0 && strcmp(a->uri ? a->uri : "", b->uri ? b->uri : "") == 0;
}

static int on_ending(struct supervised_token *token, struct wire *wire)
{
        struct succession *next = &token->next;
        struct message_ending ending;
        int r = worker_process_ending(wire, &ending);

        if (r < 0 || next->phase != SUCCESSION_STARTING)
                return r;
        if (ending.end == WORKER_END_PIN) {
                pin_refuse(&next->refused_pin, &next->pin);
                if (succession_is_refused_alike(next->section, token->config) &&
                        pin_is_refused(&next->refused_pin, token->config))
                        pin_refuse(&token->refused_pin, &next->pin);
        }
        next->ckr = ending.ckr;
        life_ending(&next->life, moment_now(), (enum worker_end)ending.end, ending.reason);
        return 0;
}

int succession_message(struct supervised_token *token, enum message_type type, struct wire *wire)
{
        struct succession *next = &token->next;
        struct message_up up;
        int r;

        if (type == MESSAGE_TYPE_ENDING)
                return on_ending(token, wire);
        if (type != MESSAGE_TYPE_UP)
                return -EBADMSG;
        r = message_get_up(wire, &up);
        if (r < 0 || next->phase != SUCCESSION_STARTING)
                return r;
        life_up(&next->life, moment_now());
        /* A request that changes the token may have to end first. */
        next->life.wake_usec = now_usec() + next->section->start_timeout_usec +
                               MAX_OF(next->section->timeout_usec, token->config->generate_timeout_usec);
        take_over(token);
        arm(token);
        return 0;
}

/* A module may not show its token while another process logs in (docs/tokens.md), so that one try says little. */
static bool may_try_again(struct succession *next)
{
        return (next->life.end == WORKER_END_ABSENT || next->life.end == WORKER_END_DEVICE) &&
               ++next->n_tries < TRIES;
}

bool succession_gone(struct supervised_token *token, const char *how)
{
        struct succession *next = &token->next;
        bool newcomer = next->phase == SUCCESSION_STARTING;
        char reason[REASON_SIZE];

        next->leave_usec = USEC_NEVER;
        if (token->config)
                (void)child_tell(&token->supervisor->broker.child, gone, -1, .token = token->name,
                        .life = newcomer ? next->life_number : next->other_number);
        if (!newcomer) {
                arm(token);
                wish_settle(token);
                return false;
        }
        snprintf(reason, sizeof(reason), "the worker %s", how);
        life_reaped(&next->life, moment_now(), reason);
        if (next->only && ckr_class(next->ckr) == CKR_CLASS_BUSY)
                return true;
        if (may_try_again(next))
                succession_set_phase(token, SUCCESSION_DUE);
        else if (next->only || next->life.phase == LIFE_FAILED)
                succession_fail(token, next->life.reason);
        else
                succession_set_phase(token, SUCCESSION_DUE);
        return false;
}
