/* SPDX-License-Identifier: MPL-2.0 */
/* See token-looks.h. */
#include "daemon/supervisor/token-looks.h"

#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/supervisor/timer.h"
#include "daemon/supervisor/worker-process.h"
#include "daemon/util/log.h"

static const struct child_class look_class, check_class;

/* A look that goes on takes at most so many times StartTimeout=, as a worker that is slow in the end does (life.c). */
#define LOOK_TIMES 64U

/* A look that is asked for within this time of the one before comes soon. So many of them in a row are started at once; then there is a
 * back-off, because each is a login, and who took the broker over can ask without end. */
#define LOOK_SOON_USEC (5 * USEC_PER_SEC)
#define LOOKS_SOON     10U

void token_looks_init(struct supervised_token *token)
{
        sd_event *event = token->supervisor->event;

        child_init(&token->look, event, &look_class, token, "a look", token->name);
        child_init(&token->nickname_check, event, &check_class, token, "a nickname check", token->name);
}

void token_looks_done(struct supervised_token *token)
{
        child_done(&token->look);
        child_done(&token->nickname_check);
        free(token->question.message);
        sd_event_source_disable_unref(token->look_timer);
        sd_event_source_disable_unref(token->check_timer);
        sd_event_source_disable_unref(token->look_due_timer);
}

/* A look of either kind was refused its PIN: no other is started until the section or the PIN file changes. */
static void refused(struct supervised_token *token, const char *reason)
{
        pin_refuse(&token->refused_pin, &token->look_pin);
        log_warning("token %s: the PIN was refused to a look, and is not tried again until it changes: %s",
                token->name, reason);
}

/* A look comes to the token of the worker, though the section changed meanwhile. */
static int start(struct supervised_token *token, struct child *child, enum look_kind kind, int *ret_fd)
{
        struct supervisor *supervisor = token->supervisor;
        _cleanup_(config_freep) struct config *before = NULL;
        const struct config_token *config = token->config;
        bool moved_on = token->life.renewed || token->life.disabled;
        int r = moved_on ? config_from_memfd(token->worker_config_fd, &before) : 0;

        if (before)
                config = config_token(before, token->name);
        if (r < 0 || !config)
                return r < 0 ? r : -ENOENT;
        token->look_pin = pin_identity_of(config);
        return worker_process_start(child, config, token->worker_config_fd,
                (struct worker_task){.epoch = ++supervisor->epoch, .look = kind}, ret_fd);
}

/* ---- a nickname check ---- */

static void answer(struct supervised_token *token, const struct message_sought *sought)
{
        free(TAKE_PTR(token->question.message));
        token->question.asked = false;
        (void)child_tell(token->worker, sought, -1, .number = sought->number, .ok = sought->ok,
                .seen = sought->seen, .ckr = sought->ckr, .reason = sought->reason);
}

static void answer_failure(struct supervised_token *token, const char *reason)
{
        answer(token, &(struct message_sought){.number = token->question.number, .reason = reason});
}

static int on_check_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;

        log_warning("token %s: a nickname check took longer than StartTimeout= and Timeout= together; it is "
                    "ended",
                token->name);
        if (token->question.asked)
                answer_failure(token, "the nickname check took too long");
        child_end(&token->nickname_check);
        return 0;
}

void nickname_check_end(struct supervised_token *token)
{
        free(TAKE_PTR(token->question.message));
        token->question.asked = false;
        child_end(&token->nickname_check);
}

static int start_check(struct supervised_token *token)
{
        const struct nickname_question *question = &token->question;
        struct child *child = &token->nickname_check;
        /* Nobody holds it: no request comes to a look. */
        _cleanup_(closep) int unused = -1;
        int r = start(token, child, LOOK_SEEK, &unused);

        if (r < 0)
                return r;
        if (child_is_live(child))
                (void)child_sent(
                        child, channel_send(child->control_fd, question->message, question->length, NULL, 0));
        return 0;
}

/* Hands on the question that waits, once the last look of either kind is gone. */
static void check_next(struct supervised_token *token)
{
        struct nickname_question *question = &token->question;
        int r;

        if (!question->message || question->asked || token->nickname_check.pid > 0 || token->look.pid > 0 ||
                !token->config)
                return;
        if (token->refused_pin.refused) {
                answer_failure(token, "the PIN was refused to a look");
                return;
        }
        r = start_check(token);
        if (r < 0) {
                log_warning("token %s: a nickname check cannot be started: %s", token->name, strerror(-r));
                answer_failure(token, "a process for the nickname check cannot be started");
                return;
        }
        question->asked = true;
        timer_set(token->supervisor->event, &token->check_timer,
                now_usec() + token->config->start_timeout_usec + token->config->timeout_usec,
                on_check_overdue, token);
}

int nickname_check_ask(struct supervised_token *token, struct wire *wire)
{
        struct nickname_question *question = &token->question;
        struct message_seek seek;
        int r = message_get_seek(wire, &seek);

        if (r < 0)
                return r;
        /* The worker waits for the answer to its last question only. */
        nickname_check_end(token);
        question->number = seek.number;
        question->message = malloc(wire->size);
        if (!question->message) {
                answer_failure(token, "tokend has no memory for a nickname check");
                return 0;
        }
        memcpy(question->message, wire->data, wire->size);
        question->length = wire->size;
        check_next(token);
        return 0;
}

static void on_check_gone(struct child *child, const char *how)
{
        struct supervised_token *token = child->userdata;

        timer_set(token->supervisor->event, &token->check_timer, USEC_NEVER, on_check_overdue, token);
        if (token->question.asked)
                answer_failure(token, how);
        if (token->supervisor->phase == PHASE_CLOSING)
                return;
        check_next(token);
        if (token->look_waits && token->nickname_check.pid == 0)
                look_start(token);
}

static int on_sought(struct supervised_token *token, struct wire *wire)
{
        struct message_sought sought;
        int r = message_get_sought(wire, &sought);

        if (r == 0 && (sought.ok > 1 || sought.seen > SEEN_ALL_))
                r = -EBADMSG;
        if (r < 0)
                return r;
        /* The question may have been dropped meanwhile. Of two answers the first counts. */
        if (token->question.asked && sought.number == token->question.number)
                answer(token, &sought);
        child_end(&token->nickname_check);
        return 0;
}

static int on_check_ending(struct supervised_token *token, struct wire *wire)
{
        struct message_ending ending;
        int r = message_get_ending(wire, &ending);

        if (r < 0)
                return r;
        if (ending.end == WORKER_END_PIN)
                refused(token, ending.reason);
        if (token->question.asked)
                answer(token, &(struct message_sought){.number = token->question.number,
                                      .ckr = ending.ckr,
                                      .reason = ending.reason});
        return 0;
}

static int on_check_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct message_up up;

        switch (type) {
        case MESSAGE_TYPE_UP:
                return message_get_up(wire, &up);
        case MESSAGE_TYPE_SOUGHT:
                return on_sought(child->userdata, wire);
        case MESSAGE_TYPE_ENDING:
                return on_check_ending(child->userdata, wire);
        default:
                return -EBADMSG;
        }
}

static const struct child_class check_class = {.on_message = on_check_message, .on_exit = on_check_gone};

/* ---- a look ---- */

static int on_look_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;

        log_warning("token %s: a look made no progress for StartTimeout=, or took too long; it is ended",
                token->name);
        child_end(&token->look);
        return 0;
}

void look_end(struct supervised_token *token)
{
        timer_set(token->supervisor->event, &token->look_timer, USEC_NEVER, on_look_overdue, token);
        child_end(&token->look);
}

static void on_look_gone(struct child *child, const char *how)
{
        struct supervised_token *token = child->userdata;

        timer_set(token->supervisor->event, &token->look_timer, USEC_NEVER, on_look_overdue, token);
        check_next(token);
}

/* The worker has sessions and does not notice: a fresh process sees what is there. A PIN that was changed under it is no
 * reason to end it. */
static void look_failed(struct supervised_token *token, enum worker_end end, const char *reason)
{
        char remark[REASON_SIZE];

        if (token->life.phase != LIFE_SERVING || token->life.end)
                return;
        if (end == WORKER_END_ABSENT) {
                life_ending(&token->life, moment_now(), end, reason);
                child_end(token->worker);
        } else {
                snprintf(remark, sizeof(remark),
                        "a look was refused the PIN, which the worker's own login was not: %s", reason);
                life_remark(&token->life, remark);
        }
        token->on_changed(token);
}

static int on_look_ending(struct supervised_token *token, struct wire *wire)
{
        struct message_ending ending;
        int r = message_get_ending(wire, &ending);

        if (r < 0)
                return r;
        if (ending.end == WORKER_END_PIN)
                refused(token, ending.reason);
        else
                log_info("token %s: a look failed: %s", token->name, ending.reason);
        if (ending.end == WORKER_END_PIN || ending.end == WORKER_END_ABSENT)
                look_failed(token, (enum worker_end)ending.end, ending.reason);
        return 0;
}

/* It goes on: its time begins anew, within bounds. */
static int on_look_up(struct supervised_token *token, struct wire *wire)
{
        uint64_t now = now_usec(), timeout = token->config ? token->config->start_timeout_usec : 0;
        struct message_up up;
        int r = message_get_up(wire, &up);

        if (r == 0 && now < token->look_usec + LOOK_TIMES * timeout)
                timer_set(
                        token->supervisor->event, &token->look_timer, now + timeout, on_look_overdue, token);
        return r;
}

static int on_look_message(struct child *child, enum message_type type, struct wire *wire)
{
        switch (type) {
        case MESSAGE_TYPE_UP:
                return on_look_up(child->userdata, wire);
        case MESSAGE_TYPE_ENDING:
                return on_look_ending(child->userdata, wire);
        default:
                return -EBADMSG;
        }
}

static const struct child_class look_class = {.on_message = on_look_message, .on_exit = on_look_gone};

static int on_look_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        look_start(userdata);
        return 0;
}

/* Whether it has to wait, because too many came before it; then it is started later. */
static bool comes_too_soon(struct supervised_token *token, uint64_t now)
{
        uint64_t due = token->look_usec;

        if (token->n_looks > LOOKS_SOON)
                due += backoff_usec(token->n_looks - LOOKS_SOON - 1);
        if (now >= due)
                return false;
        timer_set(token->supervisor->event, &token->look_due_timer, due, on_look_due, token);
        return true;
}

void look_start(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;
        _cleanup_(closep) int fd = -1;
        uint64_t now = now_usec();
        int r;

        if (supervisor_is_stopping(supervisor) || !token->config || token->refused_pin.refused ||
                token->look.pid > 0 || token->life.phase != LIFE_SERVING || token->life.renewed ||
                token->life.disabled)
                return;
        token->look_waits = token->nickname_check.pid > 0;
        if (token->look_waits || comes_too_soon(token, now))
                return;
        token->n_looks = now < token->look_usec + LOOK_SOON_USEC ? token->n_looks + 1 : 0;
        token->look_usec = now;
        r = start(token, &token->look, LOOK_LIST, &fd);
        if (r < 0) {
                log_warning("token %s: a look cannot be started: %s", token->name, strerror(-r));
                return;
        }
        (void)child_tell(&supervisor->broker.child, look, fd, .token = token->name);
        timer_set(supervisor->event, &token->look_timer, now + token->config->start_timeout_usec,
                on_look_overdue, token);
}
