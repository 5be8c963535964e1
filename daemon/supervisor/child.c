/* SPDX-License-Identifier: MPL-2.0 */
/* See child.h. */
#include "daemon/supervisor/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "daemon/supervisor/life.h"
#include "daemon/supervisor/spawn.h"
#include "daemon/util/program-path.h"
#include "daemon/util/log.h"

/* Reasons and names: no message to the supervisor is longer. */
#define MESSAGE_BYTES 8192U
/* A process that ended sooner was of no use. */
#define SHORT_LIFE_USEC USEC_PER_SEC
/* The longest back-off: clients wait meanwhile, and have deadlines of seconds. */
#define NEXT_START_MAX_USEC USEC_PER_SEC

void child_init(struct child *child, sd_event *event, const struct child_class *class, void *userdata,
        const char *program, const char *of)
{
        *child = (struct child){.event = event,
                .class = class,
                .userdata = userdata,
                .control_fd = -1,
                .output_fd = -1,
                .message_fd = -1,
                .ping_limit_usec = PING_LIMIT_USEC};
        snprintf(child->name, sizeof(child->name), "%s%s%s", program, of ? " of " : "", of ? of : "");
}

static void close_control(struct child *child)
{
        child->control_source = sd_event_source_disable_unref(child->control_source);
        closep(&child->control_fd);
        child->control_fd = -1;
}

void child_kill(struct child *child, const char *why)
{
        if (child->pid <= 0 || child->killed_usec)
                return;
        (void)kill(child->pid, SIGKILL);
        log_error("%s (pid %d) is killed: %s", child->name, (int)child->pid, why);
        child->killed_usec = now_usec();
        snprintf(child->why, sizeof(child->why), "%s", why);
}

static int on_grace_over(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct child *child = userdata;

        child_kill(child, "it did not end when it was told to");
        return 0;
}

static void set_grace(struct child *child, uint64_t usec)
{
        int r;

        child->grace_source = sd_event_source_disable_unref(child->grace_source);
        r = sd_event_add_time_relative(
                child->event, &child->grace_source, CLOCK_MONOTONIC, usec, 0, on_grace_over, child);
        if (r < 0)
                child_kill(child, "a timer for its end cannot be set");
}

void child_end(struct child *child)
{
        if (child->pid <= 0 || child->ending)
                return;
        child->ending = true;
        child->ping_usec = 0;
        /* What it still has to say is read until it closes its end. */
        if (child->control_fd >= 0)
                (void)shutdown(child->control_fd, SHUT_WR);
        if (!child->killed_usec)
                set_grace(child, END_GRACE_USEC);
}

/* ---- what it says ---- */

static int on_leaving(struct child *child, struct wire *wire)
{
        struct message_leaving leaving;
        int r = message_get_leaving(wire, &leaving);

        if (r == 0 && (!child->ending || child->leave_usec == 0))
                r = -EBADMSG;
        if (r < 0)
                return r;
        leaving.usec = MIN_OF(leaving.usec, child->leave_usec);
        child->leave_usec = 0;
        if (!child->killed_usec)
                set_grace(child, leaving.usec + END_GRACE_USEC);
        return 0;
}

static int on_pong(struct child *child, struct wire *wire)
{
        struct message_pong pong;
        int r = message_get_pong(wire, &pong);

        if (r == 0 && (pong.number == 0 || pong.number > child->ping_number))
                r = -EBADMSG;
        if (r < 0)
                return r;
        if (pong.number == child->ping_number) {
                child->ping_usec = 0;
                child->answered = true;
        }
        return 0;
}

static int handle(struct child *child, enum message_type type, struct wire *wire)
{
        if (type == MESSAGE_TYPE_LEAVING)
                return on_leaving(child, wire);
        /* Its owner has finished with a child that is to end. */
        if (child->ending)
                return 0;
        return type == MESSAGE_TYPE_PONG ? on_pong(child, wire) : child->class->on_message(child, type, wire);
}

/* Takes one message. 1: no message is there now; -errno: no more messages will come. */
static int receive_one(struct child *child)
{
        uint8_t data[MESSAGE_BYTES];
        struct wire wire = {.data = data};
        _cleanup_(channel_close_fds) int fds[LIMIT_CHANNEL_FDS] = {-1, -1};
        enum message_type type;
        char why[96];
        int r;

        r = channel_receive(child->control_fd, data, sizeof(data), &wire.size, fds);
        if (r == -EAGAIN)
                return 1;
        if (r == 1)
                return -EPIPE;
        if (r < 0)
                return r;
        type = message_type(&wire);
        r = fds[1] >= 0 || (fds[0] >= 0 && type != child->class->with_descriptor) ? -EBADMSG : 0;
        child->message_fd = take_fd(&fds[0]);
        if (r == 0)
                r = handle(child, type, &wire);
        fds[0] = take_fd(&child->message_fd);
        if (r < 0) {
                snprintf(why, sizeof(why), "it sent an invalid message: %s",
                        type == MESSAGE_TYPE_NONE_ ? "unknown type" : message_name(type));
                child_kill(child, why);
                return r;
        }
        return 0;
}

static int on_control(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct child *child = userdata;
        int r = receive_one(child);

        /* It closed its end, or was killed for what it sent: it is about to end. */
        if (r < 0) {
                if (r != -EPIPE && r != -ECONNRESET)
                        child_kill(child, "it sent a malformed message");
                child_end(child);
                close_control(child);
        }
        return 0;
}

static void exit_text(const struct child *child, const siginfo_t *info, char *ret, size_t size)
{
        if (child->killed_usec)
                snprintf(ret, size, "was killed: %s", child->why);
        else if (info->si_code == CLD_EXITED)
                snprintf(ret, size, "exited with status %d", info->si_status);
        else
                snprintf(ret, size, "was killed by signal %d (%s)", info->si_status,
                        strsignal(info->si_status));
}

static void forget(struct child *child)
{
        close_control(child);
        child->exit_source = sd_event_source_disable_unref(child->exit_source);
        child->grace_source = sd_event_source_disable_unref(child->grace_source);
        child->pid = 0;
        child->killed_usec = child->ping_usec = 0;
        child->answered = child->ending = false;
}

static int on_child_exit(sd_event_source *source, const siginfo_t *info, void *userdata)
{
        struct child *child = userdata;
        char how[128];

        exit_text(child, info, how, sizeof(how));
        /* What a module has started does not outlive its worker, whose number is still taken. */
        (void)kill(-child->pid, SIGKILL);
        /* Its last messages may not have been read yet. */
        while (child->control_fd >= 0 && receive_one(child) == 0)
                ;
        log_debug("%s (pid %d) %s", child->name, (int)child->pid, how);
        forget(child);
        child->class->on_exit(child, how);
        return 0;
}

/* ---- starting ---- */

/* Both ends have numbers above those that a child gets; our end does not block. */
static int control_pair(int *ret_ours, int *ret_theirs)
{
        int fds[2], r;
        _cleanup_(closep) int ours = -1, theirs = -1;

        r = channel_pair(fds);
        if (r < 0)
                return r;
        ours = fds[0];
        theirs = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
        r = -errno;
        close(fds[1]);
        if (theirs < 0)
                return r;
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        *ret_ours = take_fd(&ours);
        *ret_theirs = take_fd(&theirs);
        return 0;
}

static int watch(struct child *child)
{
        int r;

        r = sd_event_add_child(child->event, &child->exit_source, child->pid, WEXITED, on_child_exit, child);
        if (r < 0)
                return r;
        r = sd_event_add_io(
                child->event, &child->control_source, child->control_fd, EPOLLIN, on_control, child);
        if (r < 0)
                return r;
        /* Its messages are handled before its death. */
        return sd_event_source_set_priority(child->exit_source, SD_EVENT_PRIORITY_NORMAL + 1);
}

int child_start(struct child *child, const char *program, char *const argv[], char *const environment[],
        int request_fd)
{
        _cleanup_(freep) char *path = NULL;
        _cleanup_(freep) char **minimal = NULL;
        _cleanup_(closep) int theirs = -1, request = -1, log = -1;
        int fds[3], r;
        size_t n = 0;

        child->started_usec = now_usec();
        r = program_path(program, &path);
        if (r == 0 && !environment)
                r = environment_of_broker(&minimal);
        if (r < 0)
                return r;
        r = control_pair(&child->control_fd, &theirs);
        if (r < 0)
                return r;
        if (request_fd >= 0) {
                request = fcntl(request_fd, F_DUPFD_CLOEXEC, 10);
                if (request < 0)
                        r = -errno;
                fds[n++] = request;
        }
        fds[n++] = theirs;
        if (child->output_fd >= 0) {
                log = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
                if (log < 0)
                        r = -errno;
                fds[n++] = log;
        }
        if (r == 0)
                r = program_start(path, argv, environment ? environment : minimal, fds, n, child->output_fd,
                        &child->pid);
        if (r < 0) {
                forget(child);
                return r;
        }
        r = watch(child);
        if (r < 0) {
                (void)kill(child->pid, SIGKILL);
                child->exit_source = sd_event_source_disable_unref(child->exit_source);
                (void)waitpid(child->pid, NULL, 0);
                forget(child);
                return r;
        }
        log_debug("%s started, pid %d", child->name, (int)child->pid);
        return 0;
}

uint64_t child_next_start(struct child *child)
{
        uint64_t now = now_usec();

        child->n_short = now - child->started_usec < SHORT_LIFE_USEC ? child->n_short + 1 : 0;
        /* The first time at once. */
        return now + (child->n_short > 1 ? MIN_OF(backoff_usec(child->n_short - 2), NEXT_START_MAX_USEC) : 0);
}

/* ---- what it is told ---- */

int child_sent(struct child *child, int r)
{
        /* EPIPE: it is dead or dying, and its exit will be seen. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET && child_is_live(child))
                child_kill(child, "it does not read its messages");
        return r;
}

static bool is_overdue(const struct child *child, uint64_t now)
{
        return child_is_live(child) && child->ping_usec > 0 &&
               now >= child->ping_usec + child->ping_limit_usec;
}

bool child_is_stuck(const struct child *child, uint64_t now)
{
        return child->pid > 0 && child->killed_usec > 0 && now >= child->killed_usec + PING_LIMIT_USEC;
}

bool child_tick(struct child *child, uint64_t now, bool forgive)
{
        char why[64];

        if (child->ping_usec > 0 && forgive)
                child->ping_usec = now;
        if (is_overdue(child, now)) {
                snprintf(why, sizeof(why), "it did not answer for %ju s",
                        (uintmax_t)(child->ping_limit_usec / USEC_PER_SEC));
                child_kill(child, why);
                return true;
        }
        if (child_is_live(child) && child->ping_usec == 0) {
                child->ping_usec = now;
                child->ping_number++;
                (void)child_tell(child, ping, -1, .number = child->ping_number);
        }
        return false;
}

void child_done(struct child *child)
{
        forget(child);
}
