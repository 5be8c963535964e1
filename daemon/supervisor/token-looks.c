/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A look: a fresh worker process that shows the broker what is on a token now, and ends. The broker asks for it; one
 * at a time a token, and never one that might cost an attempt at a PIN.
 */
#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/log.h"

static int on_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;

        log_warning("token %s: a look was not done within StartTimeout= and is ended", token->name);
        child_end(&token->look);
        return 0;
}

void look_stop(struct supervised_token *token)
{
        timer_set(token->supervisor, &token->look_timer, USEC_NEVER, on_overdue, token);
        child_end(&token->look);
}

static void on_gone(struct child *child, const char *how)
{
        struct supervised_token *token = child->userdata;

        timer_set(token->supervisor, &token->look_timer, USEC_NEVER, on_overdue, token);
        seek_next(token);
        if (token->supervisor->stopping)
                supervisor_reaped(token->supervisor);
        else
                supervised_token_reap(token);
}

void look_refused(struct supervised_token *token, const char *reason)
{
        supervised_token_pin_refused(token, &token->look_pin);
        log_warning("token %s: the PIN was refused to a look, and is not tried again until it changes: %s",
                token->name, reason);
}

static int on_ending(struct supervised_token *token, struct wire *wire)
{
        struct message_ending ending;
        int r = message_get_ending(wire, &ending);

        if (r < 0)
                return r;
        if (ending.end == WORKER_END_PIN)
                look_refused(token, ending.reason);
        else
                log_info("token %s: a look failed: %s", token->name, ending.reason);
        return 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct message_pong pong;
        struct message_up up;

        switch (type) {
        case MESSAGE_TYPE_PONG:
                return message_get_pong(wire, &pong);
        case MESSAGE_TYPE_UP:
                return message_get_up(wire, &up);
        case MESSAGE_TYPE_ENDING:
                return on_ending(child->userdata, wire);
        default:
                return -EBADMSG;
        }
}

const struct child_class look_class = {.on_message = on_message, .on_exit = on_gone};

static int start(struct supervised_token *token, int request_fd)
{
        const struct message_start message = {.version = MESSAGE_VERSION,
                .token = token->name,
                .epoch = token->supervisor->epoch,
                .look = LOOK_LIST};
        int r;

        r = supervised_token_start_process(token, &token->look, "look", request_fd);
        if (r < 0)
                return r;
        child_sent(&token->look,
                message_send_start(token->look.control_fd, &message, &token->supervisor->config_fd, 1));
        return 0;
}

void look_start(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        if (supervisor->stopping || !token->config || token->pin_refused || token->look.pid > 0 ||
                token->life.phase != LIFE_SERVING)
                return;
        token->look_waits = token->seek.pid > 0;
        if (token->look_waits)
                return;
        r = channel_pair(fds);
        if (r == 0) {
                ours = fds[0];
                theirs = fds[1];
                supervisor->epoch++;
                token->look_pin = supervised_token_pin_identity(token->config);
                r = start(token, theirs);
        }
        if (r < 0) {
                log_warning("token %s: no look can be started: %s", token->name, strerror(-r));
                return;
        }
        broker_tell_look(&supervisor->broker, token, ours);
        timer_set(supervisor, &token->look_timer, now_usec() + token->config->start_timeout_usec, on_overdue,
                token);
}
