/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A token's worker: started when its life says so, watched, ended, started again. The state that the broker shows
 * is decided here and nowhere else.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/spawn.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

static const struct child_class worker_class;

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
        token->ready_usec = now_usec() + config->start_timeout_usec;
        life_init(&token->life, moment());
        child_init(&token->worker, supervisor->event, &worker_class, token, "tokend-worker", token->name);
        child_init(&token->look, supervisor->event, &look_class, token, "a look", token->name);
        child_init(&token->seek, supervisor->event, &seek_class, token, "a look for a nickname", token->name);
        *ret = token;
        return 0;
}

void supervised_token_free(struct supervised_token *token)
{
        if (!token)
                return;
        child_done(&token->worker);
        child_done(&token->look);
        child_done(&token->seek);
        free(token->question);
        sd_event_source_disable_unref(token->timer);
        sd_event_source_disable_unref(token->look_timer);
        sd_event_source_disable_unref(token->seek_timer);
        free(token->name);
        free(token);
}

struct supervised_token *supervised_token_find(struct supervisor *supervisor, const char *name)
{
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                if (strcmp(supervisor->tokens[i]->name, name) == 0)
                        return supervisor->tokens[i];
        return NULL;
}

void supervised_token_reap(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;

        if (token->config || token->worker.pid > 0 || token->look.pid > 0 || token->seek.pid > 0)
                return;
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                if (supervisor->tokens[i] == token) {
                        memmove(&supervisor->tokens[i], &supervisor->tokens[i + 1],
                                (supervisor->n_tokens - i - 1) * sizeof(struct supervised_token *));
                        supervisor->n_tokens--;
                        break;
                }
        supervised_token_free(token);
}

/* ---- its PIN ---- */

/* Where the PIN is read from by the worker. NULL: nowhere, or memory is short. */
static char *pin_path(const struct config_token *config)
{
        const char *directory;

        if (!config->pin)
                return config->directory ? text_format("%s/pin", config->directory) : NULL;
        if (strncmp(config->pin, "file:", 5) == 0)
                return strdup(config->pin + 5);
        directory = getenv("CREDENTIALS_DIRECTORY");
        return directory ? text_format("%s/%s", directory, config->pin + strlen("credential:")) : NULL;
}

struct pin_identity supervised_token_pin_identity(const struct config_token *config)
{
        _cleanup_(freep) char *path = pin_path(config);
        struct stat st;

        if (!path || stat(path, &st) < 0)
                return (struct pin_identity){0};
        return (struct pin_identity){st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim};
}

static bool time_equal(const struct timespec *a, const struct timespec *b)
{
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void supervised_token_pin_refused(struct supervised_token *token, const struct pin_identity *read)
{
        token->pin_refused = true;
        token->pin = *read;
}

bool supervised_token_pin_is_refused(const struct supervised_token *token, const struct config_token *config)
{
        const struct pin_identity *a = &token->pin, b = supervised_token_pin_identity(config);

        return token->pin_refused && a->device == b.device && a->inode == b.inode && a->size == b.size &&
               time_equal(&a->modified, &b.modified) && time_equal(&a->changed, &b.changed);
}

/* ---- telling ---- */

static void log_state(struct supervised_token *token)
{
        const struct life *life = &token->life;

        if (token->told_state == life->state && strcmp(token->told_reason, life->reason) == 0)
                return;
        token->told_state = life->state;
        memcpy(token->told_reason, life->reason, sizeof(token->told_reason));
        log_line(life->state == TOKEN_FAILED       ? 3
                 : life->state == TOKEN_RECOVERING ? 4
                                                   : 5,
                "token %s is %s%s%s", token->name, token_state_name(life->state), *life->reason ? ": " : "",
                life->reason);
}

void supervised_token_tell(struct supervised_token *token)
{
        if (!token->config)
                return;
        log_state(token);
        broker_tell_token(&token->supervisor->broker, token);
        notify_state(token->supervisor);
}

/* ---- starting ---- */

static int send_start(struct supervised_token *token, uint32_t epoch)
{
        const struct message_start start = {.version = MESSAGE_VERSION, .token = token->name, .epoch = epoch};

        return message_send_start(token->worker.control_fd, &start, &token->supervisor->config_fd, 1);
}

int supervised_token_start_process(
        struct supervised_token *token, struct child *child, const char *more, int request_fd)
{
        char *argv[] = {(char[]){"tokend-worker"}, token->name, (char *)(uintptr_t)more, NULL};
        _cleanup_(freep) char **environment = NULL;
        int r;

        r = environment_of_worker(token->config->environment, &environment);
        if (r < 0)
                return r;
        child->leave_usec = MAX_OF(token->config->timeout_usec, token->config->generate_timeout_usec);
        return child_start(child, "tokend-worker", argv, environment, request_fd);
}

static void start(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        if (supervised_token_pin_is_refused(token, token->config)) {
                life_fail(&token->life, moment(), "the PIN was refused to a look, and is not tried again");
                supervised_token_tell(token);
                return;
        }
        token->pin_refused = false;
        token->worker_pin = supervised_token_pin_identity(token->config);
        token->life_number = ++supervisor->last_life;
        life_started(&token->life, moment(), token->config->start_timeout_usec);
        r = channel_pair(fds);
        if (r == 0) {
                ours = fds[0];
                theirs = fds[1];
                r = supervised_token_start_process(token, &token->worker, NULL, theirs);
        }
        if (r < 0) {
                char reason[REASON_SIZE];

                snprintf(reason, sizeof(reason), "tokend-worker cannot be started: %s", strerror(-r));
                life_reaped(&token->life, moment(), reason);
                supervised_token_tell(token);
                return;
        }
        supervisor->epoch++;
        child_sent(&token->worker, send_start(token, supervisor->epoch));
        broker_tell_token(&supervisor->broker, token);
        broker_tell_worker(&supervisor->broker, token, supervisor->epoch, ours);
        supervised_token_connect_peers(token);
}

void supervised_token_connect(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;
        _cleanup_(closep) int ours = -1, theirs = -1;
        int fds[2], r;

        if (!token->config || !child_is_live(&token->worker))
                return;
        r = channel_pair(fds);
        if (r < 0) {
                /* Without one it serves nobody. */
                supervised_token_replace_worker(token, "no request channel can be made");
                return;
        }
        ours = fds[0];
        theirs = fds[1];
        supervisor->epoch++;
        r = message_send_channel(
                token->worker.control_fd, &(struct message_channel){.epoch = supervisor->epoch}, &theirs, 1);
        child_sent(&token->worker, r);
        if (r == 0)
                broker_tell_worker(&supervisor->broker, token, supervisor->epoch, ours);
}

/* ---- what is due ---- */

static void overdue(struct supervised_token *token)
{
        char reason[REASON_SIZE];

        snprintf(reason, sizeof(reason), "the worker was not logged in within StartTimeout= (%ju ms)",
                (uintmax_t)(token->config->start_timeout_usec / USEC_PER_MSEC));
        life_condemned(&token->life, moment(), true, reason);
        /* It may be in the middle of C_Login. */
        child_end(&token->worker);
        supervised_token_tell(token);
}

static int on_due(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct supervised_token *token = userdata;
        uint64_t now = now_usec();

        if (token->supervisor->stopping || !token->config)
                return 0;
        if (token->life.wake_usec <= now) {
                if (token->life.phase == LIFE_WAITING)
                        start(token);
                else if (token->life.phase == LIFE_STARTING)
                        overdue(token);
        }
        /* READY may have waited for this moment. */
        notify_state(token->supervisor);
        supervised_token_arm(token);
        return 0;
}

void supervised_token_arm(struct supervised_token *token)
{
        uint64_t usec = token->life.wake_usec;

        if (token->supervisor->stopping || !token->config)
                usec = USEC_NEVER;
        else if (!token->supervisor->ready && token->ready_usec > now_usec())
                usec = MIN_OF(usec, token->ready_usec);
        timer_set(token->supervisor, &token->timer, usec, on_due, token);
}

void supervised_token_tick(struct supervised_token *token, uint64_t now, bool forgive)
{
        if (!forgive && child_is_overdue(&token->worker, now)) {
                life_condemned(
                        &token->life, moment(), false, "the worker did not answer for 5 s and was killed");
                child_kill(&token->worker, "it did not answer for 5 s");
                supervised_token_tell(token);
        }
        child_ping(&token->worker, now, forgive);
        if (child_is_stuck(&token->worker, now))
                log_error("%s (pid %d) was killed and does not go away", token->worker.name,
                        (int)token->worker.pid);
}

/* ---- ending ---- */

void supervised_token_replace_worker(struct supervised_token *token, const char *reason)
{
        if (!life_runs(&token->life))
                return;
        life_condemned(&token->life, moment(), false, reason);
        child_end(&token->worker);
        supervised_token_tell(token);
        supervised_token_arm(token);
}

void supervised_token_remove(struct supervised_token *token)
{
        token->config = NULL;
        supervised_token_arm(token);
        child_end(&token->worker);
        look_stop(token);
        log_notice("token %s is no longer configured", token->name);
}

void supervised_token_configure(struct supervised_token *token, const struct config_token *config, bool renew)
{
        token->config = config;
        if (!renew)
                return;
        token->pin_refused = false;
        life_renew(&token->life, moment());
        child_end(&token->worker);
        look_stop(token);
        supervised_token_tell(token);
        supervised_token_arm(token);
}

static void on_gone(struct child *child, const char *how)
{
        struct supervised_token *token = child->userdata;
        char reason[REASON_SIZE];

        snprintf(reason, sizeof(reason), "the worker %s", how);
        life_reaped(&token->life, moment(), reason);
        seek_stop(token);
        if (token->config)
                broker_tell_gone(&token->supervisor->broker, token, token->life_number);
        if (token->supervisor->stopping) {
                supervisor_reaped(token->supervisor);
                return;
        }
        supervised_token_tell(token);
        supervised_token_arm(token);
        supervised_token_reap(token);
}

/* ---- what it says, and what the broker says of it ---- */

static int on_ending(struct supervised_token *token, struct wire *wire)
{
        struct message_ending ending;
        int r = message_get_ending(wire, &ending);

        if (r == 0 && (ending.end < WORKER_END_ABSENT || ending.end > WORKER_END_ERROR))
                r = -EBADMSG;
        if (r < 0)
                return r;
        /* One that served has read the file again, at a login that was lost since; one that starts, just now. A removed token
         * has none. */
        if (ending.end == WORKER_END_PIN && token->config) {
                struct pin_identity now = supervised_token_pin_identity(token->config);

                supervised_token_pin_refused(
                        token, token->life.phase == LIFE_SERVING ? &now : &token->worker_pin);
        }
        life_ending(&token->life, moment(), (enum worker_end)ending.end, ending.reason);
        supervised_token_tell(token);
        supervised_token_arm(token);
        return 0;
}

static int on_message(struct child *child, enum message_type type, struct wire *wire)
{
        struct supervised_token *token = child->userdata;
        struct message_pong pong;
        struct message_up up;
        int r;

        switch (type) {
        case MESSAGE_TYPE_PONG:
                r = message_get_pong(wire, &pong);
                return r < 0 ? r : child_pong(child, pong.number);
        case MESSAGE_TYPE_UP:
                r = message_get_up(wire, &up);
                if (r == 0) {
                        life_up(&token->life, moment());
                        supervised_token_tell(token);
                        supervised_token_arm(token);
                }
                return r;
        case MESSAGE_TYPE_ENDING:
                return on_ending(token, wire);
        case MESSAGE_TYPE_SEEK:
                return seek_ask(token, wire);
        default:
                return -EBADMSG;
        }
}

static const struct child_class worker_class = {.on_message = on_message, .on_exit = on_gone};

void supervised_token_serving(struct supervised_token *token, uint64_t life)
{
        if (life != token->life_number || !life_runs(&token->life))
                return;
        life_serving(&token->life, moment());
        supervised_token_tell(token);
        supervised_token_arm(token);
}

void supervised_token_replace(struct supervised_token *token, const struct message_replace *message)
{
        if (message->life != token->life_number)
                return;
        if (message->full)
                life_ending(&token->life, moment(), WORKER_END_FULL, message->reason);
        supervised_token_replace_worker(token, message->reason);
}
