/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One child process with its control channel: started, pinged, listened to, ended, reaped. What its messages mean is
 * the owner's (broker.c, worker.c, look.c). A child is not trusted: what it says is checked, and it is never waited
 * for.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/channel/message.h"
#include "daemon/util/macros.h"

/* How long an answer to a ping may take before the child is killed. Far above what a loaded machine needs, and with
 * a tick and a restart still below WatchdogSec=. */
#define PING_LIMIT_USEC (5 * USEC_PER_SEC)
/* How long a child that was told to end may take before it is killed; one that said LEAVING has as much more. */
#define END_GRACE_USEC (5 * USEC_PER_SEC)

struct child;

struct child_class {
        /* One message, its type taken off. -errno: it does not fit, and the child is killed. */
        int (*on_message)(struct child *child, enum message_type type, struct wire *wire);
        /* It was reaped, and the struct may be used again; how: a sentence. Everything it sent has been handled. */
        void (*on_exit)(struct child *child, const char *how);
};

struct child {
        sd_event *event;
        const struct child_class *class;
        void *userdata;
        char name[128];       /* for the log: "tokend-worker of hsm" */
        pid_t pid;            /* 0: none */
        int control_fd;       /* -1: closed */
        bool ending;          /* it was told to end */
        uint64_t leave_usec;  /* the longest that LEAVING, said once, may ask for; 0: not at all */
        int message_fd;       /* what came with the message at hand; on_message may take it. -1: nothing */
        uint64_t killed_usec; /* when it was; 0: it was not */
        char why[96];         /* and why */
        bool answered;        /* at least one ping */
        uint64_t ping_number, ping_usec; /* ping_usec: when the one that is out was sent; 0: none is */
        sd_event_source *exit_source, *control_source, *grace_source;
};

/* An empty struct; the strings of name are copied. */
void child_init(struct child *child, sd_event *event, const struct child_class *class, void *userdata,
        const char *program, const char *of);

/* Starts a program with request_fd (-1: none) and a new control channel as its first descriptors. -errno: there is no
 * child. */
int child_start(struct child *child, const char *program, char *const argv[], char *const environment[],
        int request_fd);

/* Whether it is there and was not told to end. */
static inline bool child_is_live(const struct child *child)
{
        return child->pid > 0 && !child->ending && !child->killed_usec;
}

/* After a message_send_…() to control_fd: one that could not be sent is one that is not answered. */
void child_sent(struct child *child, int r);

/* Ends its control, which tells it to end; kills it after END_GRACE_USEC. A worker that is in the middle of a call into its
 * module answers LEAVING with the time that the call may still take: it is killed END_GRACE_USEC after that. */
void child_end(struct child *child);
/* Logs why, which is its epitaph too. */
void child_kill(struct child *child, const char *why);

/* Whether the ping that is out is PING_LIMIT_USEC old. */
bool child_is_overdue(const struct child *child, uint64_t now);
/* Sends a ping where none is out. forgive: we stood still ourselves, and the one that is out counts from now. */
void child_ping(struct child *child, uint64_t now, bool forgive);
/* Whether it was killed that long ago and is still there: nothing more can be done from here. */
bool child_is_stuck(const struct child *child, uint64_t now);
/* The number of a PONG. */
int child_pong(struct child *child, uint64_t number);

/* Lets go of it and frees what is held. One that is still there ends by itself, since its control is closed. */
void child_done(struct child *child);
