/* SPDX-License-Identifier: MPL-2.0 */
/* See timer.h. */
#include "daemon/supervisor/timer.h"

#include <string.h>

#include "daemon/util/log.h"
#include "daemon/util/macros.h"

void timer_set(sd_event *event, sd_event_source **timer, uint64_t usec, sd_event_time_handler_t handler,
        void *userdata)
{
        int r = 0;

        if (usec == USEC_NEVER) {
                if (*timer)
                        r = sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
        } else if (!*timer)
                r = sd_event_add_time(event, timer, CLOCK_MONOTONIC, usec, 1000, handler, userdata);
        else {
                r = sd_event_source_set_time(*timer, usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
        }
        if (r < 0) {
                log_error("a timer cannot be set: %s", strerror(-r));
                (void)sd_event_exit(event, 1);
        }
}
