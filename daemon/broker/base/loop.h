/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The broker's one event loop: sd-event, one timer for everything that has a time, and the list of what changed during
 * an event and is served at its end. The lowest room: whoever needs to be called back gives a function.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/broker/base/list.h"
#include "daemon/util/macros.h"

struct loop {
        sd_event *event;
        sd_event_source *timer;
        int timer_fd;
        uint64_t timer_usec; /* when the timer is set to go off; USEC_NEVER: it is not set */
        /* Does what is due at now; returns when to be called again. */
        uint64_t (*tick)(void *userdata, uint64_t now);
        /* Called at the end of every event. */
        void (*settle)(void *userdata);
        void *userdata;
};

/* The caller calls loop_done(), also after a failure. */
int loop_init(struct loop *loop, uint64_t (*tick)(void *userdata, uint64_t now),
        void (*settle)(void *userdata), void *userdata);
void loop_done(struct loop *loop);

/* tick() is called at usec (CLOCK_MONOTONIC) or before. */
void loop_arm(struct loop *loop, uint64_t usec);

/* Calls tick() now, and arms the timer for what it returns. */
void loop_tick(struct loop *loop);

/* The last thing that the handler of an event does. */
static inline void loop_settle(struct loop *loop)
{
        loop->settle(loop->userdata);
}
