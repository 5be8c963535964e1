/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One child process with its control channel: started, pinged, listened to, ended, reaped. Its owner says what its messages
 * mean (struct child_class). A child is not trusted: its messages are checked, and the supervisor never waits for it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/channel/message.h"
#include "daemon/util/macros.h"

/* How long an answer to a ping may take before the child is killed, if its owner sets no other limit. Far more than a loaded
 * machine needs; together with a tick and a restart still less than WatchdogSec=. */
#define PING_LIMIT_USEC (5 * USEC_PER_SEC)
/* How long a child that was told to end may take before it is killed. After LEAVING it has as much more. */
#define END_GRACE_USEC (5 * USEC_PER_SEC)

struct child;

struct child_class {
        /* One message, its type taken off; PONG and LEAVING do not come here. -errno: it is invalid, and the child is killed. */
        int (*on_message)(struct child *child, enum message_type type, struct wire *wire);
        /* The one type that may come with a descriptor; MESSAGE_TYPE_NONE_: none may. */
        enum message_type with_descriptor;
        /* It was reaped, and the struct may be used again. how: "exited with status 1". Everything it sent has been handled. */
        void (*on_exit)(struct child *child, const char *how);
};

struct child {
        sd_event *event;
        const struct child_class *class;
        void *userdata;
        char name[128]; /* for the log: "tokend-worker of hsm" */
        pid_t pid;      /* 0: there is no process */
        uint64_t started_usec;
        unsigned n_short; /* processes in a row that ended too soon to be of use; child_next_start() counts */
        int control_fd;   /* -1: closed */
        int output_fd; /* its standard output and error, while its log is its last descriptor; -1: both are the log */
        bool ending;         /* it was told to end */
        uint64_t leave_usec; /* the longest that LEAVING, said once, may ask for; 0: not at all */
        int message_fd; /* the descriptor of the message at hand; on_message may take it. -1: it has none */
        uint64_t killed_usec; /* 0: it was not killed */
        char why[96];         /* the reason why it was killed */
        bool answered;        /* it has answered a ping */
        uint64_t ping_limit_usec;
        uint64_t ping_number;
        uint64_t ping_usec; /* when the ping that is not answered yet was sent; 0: there is no such ping */
        sd_event_source *exit_source, *control_source, *grace_source;
};

/* of: of which token, for the name; may be NULL. Both strings are copied. */
void child_init(struct child *child, sd_event *event, const struct child_class *class, void *userdata,
        const char *program, const char *of);

/* Starts a program with request_fd (-1: it gets none) and a new control channel as its first descriptors. environment NULL:
 * environment_of_broker(). -errno: there is no process. */
int child_start(struct child *child, const char *program, char *const argv[], char *const environment[],
        int request_fd);

/* Whether it is there and was neither told to end nor killed. */
static inline bool child_is_live(const struct child *child)
{
        return child->pid > 0 && !child->ending && !child->killed_usec;
}

/* Sends the message NAME with the fields that follow and a descriptor (-1: without):
 *     child_tell(&broker->child, drain, -1, .deadline_usec = usec);
 * 0; -errno: it was not sent. A child that does not read is killed. A child that is not live misses nothing, because the next one is
 * told everything. */
#define child_tell(to, name, descriptor, ...)                                                                \
        ({                                                                                                   \
                struct child *to_ = (to);                                                                    \
                const struct message_##name message_ = {__VA_ARGS__};                                        \
                const int fd_ = (descriptor);                                                                \
                child_is_live(to_)                                                                           \
                        ? child_sent(to_, message_send_##name(to_->control_fd, &message_, &fd_, fd_ >= 0))   \
                        : -ENOTCONN;                                                                         \
        })

/* For child_tell(), and for messages that are handed on as they came: r of channel_send() to control_fd. Returns r. */
int child_sent(struct child *child, int r);

/* Tells it to end, by the end of its control; kills it after END_GRACE_USEC. A worker that is in the middle of a call into its
 * module answers LEAVING with the time that the call may still take: it is killed END_GRACE_USEC after that. */
void child_end(struct child *child);
/* Logs why, and keeps it as the reason of the child's end. */
void child_kill(struct child *child, const char *why);

/* Every second: kills it if the last ping was not answered in time, pings it if that was answered. forgive: this process stood
 * still itself, so the last ping counts from now. True: it was killed. */
bool child_tick(struct child *child, uint64_t now, bool forgive);
/* Whether it was killed PING_LIMIT_USEC ago and is still there: nothing more can be done from here. */
bool child_is_stuck(const struct child *child, uint64_t now);

/* When the next process may start after this one ended or could not be started: at once, or after a back-off if several in a
 * row ended at once, of a second at most. CLOCK_MONOTONIC. Call once for each end. */
uint64_t child_next_start(struct child *child);

/* Lets go of it and frees what is held. A child that is still there ends by itself, because its control is closed. */
void child_done(struct child *child);
