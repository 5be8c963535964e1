/* SPDX-License-Identifier: MPL-2.0 */
/* One-shot timers of the supervisor's loop. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

/* (Re)arms a timer for a moment of CLOCK_MONOTONIC; USEC_NEVER disarms it. *timer is made at the first call; its owner
 * unrefs it. A timer that cannot be set ends the loop with status 1: without timers nothing is started again, and systemd
 * can start another supervisor. */
void timer_set(sd_event *event, sd_event_source **timer, uint64_t usec, sd_event_time_handler_t handler,
        void *userdata);
