/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A worker that has written a claim on a nickname may not see what others wrote: it asks for a fresh process that
 * looks. The question is handed to that process as it came, and the answer back; a process that ends without one is
 * answered for. One question of a worker at a time.
 */
#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/log.h"

static void answer(struct supervised_token *token, const struct message_sought *sought)
{
        free(TAKE_PTR(token->question));
        token->asked = false;
        if (child_is_live(&token->worker))
                child_sent(&token->worker, message_send_sought(token->worker.control_fd, sought, NULL, 0));
}

static void answer_failure(struct supervised_token *token, const char *reason)
{
        answer(token, &(struct message_sought){.number = token->question_number, .reason = reason});
}

static int on_overdue(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;

        log_warning(
                "token %s: a look for a nickname was not done within StartTimeout= and Timeout= and is ended",
                token->name);
        if (token->asked)
                answer_failure(token, "the look was not done in time");
        child_end(&token->seek);
        return 0;
}

void seek_stop(struct supervised_token *token)
{
        free(TAKE_PTR(token->question));
        token->asked = false;
        child_end(&token->seek);
}

static int start_process(struct supervised_token *token)
{
        const struct message_start start = {.version = MESSAGE_VERSION,
                .token = token->name,
                .epoch = ++token->supervisor->epoch,
                .look = LOOK_SEEK};
        _cleanup_(closep) int unused = -1, request = -1;
        int fds[2], r;

        r = channel_pair(fds);
        if (r < 0)
                return r;
        /* Nobody holds the other end: it has requests from nobody. */
        unused = fds[0];
        request = fds[1];
        r = supervised_token_start_process(token, &token->seek, "look", request);
        if (r < 0)
                return r;
        child_sent(&token->seek,
                message_send_start(token->seek.control_fd, &start, &token->supervisor->config_fd, 1));
        if (child_is_live(&token->seek))
                child_sent(&token->seek, channel_send(token->seek.control_fd, token->question,
                                                 token->question_length, NULL, 0));
        return 0;
}

/* Hands on the question that waits, once the last process is gone, of either kind. */
void seek_next(struct supervised_token *token)
{
        int r;

        if (!token->question || token->asked || token->seek.pid > 0 || token->look.pid > 0 || !token->config)
                return;
        if (token->pin_refused) {
                answer_failure(token, "the PIN was refused to a look");
                return;
        }
        token->look_pin = supervised_token_pin_identity(token->config);
        r = start_process(token);
        if (r < 0) {
                log_warning("token %s: no look can be started: %s", token->name, strerror(-r));
                answer_failure(token, "no process can be started");
                return;
        }
        token->asked = true;
        timer_set(token->supervisor, &token->seek_timer,
                now_usec() + token->config->start_timeout_usec + token->config->timeout_usec, on_overdue,
                token);
}

int seek_ask(struct supervised_token *token, struct wire *wire)
{
        struct message_seek seek;
        int r = message_get_seek(wire, &seek);

        if (r == 0 && token->question)
                r = -EBADMSG;
        if (r < 0)
                return r;
        token->question = malloc(wire->size);
        if (!token->question)
                return -ENOMEM;
        memcpy(token->question, wire->data, wire->size);
        token->question_length = wire->size;
        token->question_number = seek.number;
        seek_next(token);
        return 0;
}

/* ---- what the process says ---- */

static void on_gone(struct child *child, const char *how)
{
        struct supervised_token *token = child->userdata;

        timer_set(token->supervisor, &token->seek_timer, USEC_NEVER, on_overdue, token);
        if (token->asked)
                answer_failure(token, how);
        if (token->supervisor->closing) {
                supervisor_reaped(token->supervisor);
                return;
        }
        seek_next(token);
        if (token->look_waits && token->seek.pid == 0)
                look_start(token);
        supervised_token_reap(token);
}

static int on_sought(struct supervised_token *token, struct wire *wire)
{
        struct message_sought sought;
        int r = message_get_sought(wire, &sought);

        if (r == 0 && (sought.ok > 1 || sought.seen > SEEN_ALL_))
                r = -EBADMSG;
        if (r < 0)
                return r;
        /* The question may have been dropped meanwhile; and of two answers the first counts. */
        if (token->asked && sought.number == token->question_number)
                answer(token, &sought);
        child_end(&token->seek);
        return 0;
}

static int on_ending(struct supervised_token *token, struct wire *wire)
{
        struct message_ending ending;
        int r = message_get_ending(wire, &ending);

        if (r < 0)
                return r;
        if (ending.end == WORKER_END_PIN)
                look_refused(token, ending.reason);
        if (token->asked)
                answer(token, &(struct message_sought){.number = token->question_number,
                                      .ckr = ending.ckr,
                                      .reason = ending.reason});
        return 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct message_up up;

        switch (type) {
        case MESSAGE_TYPE_UP:
                return message_get_up(wire, &up);
        case MESSAGE_TYPE_SOUGHT:
                return on_sought(child->userdata, wire);
        case MESSAGE_TYPE_ENDING:
                return on_ending(child->userdata, wire);
        default:
                return -EBADMSG;
        }
}

const struct child_class seek_class = {.on_message = on_message, .on_exit = on_gone};
