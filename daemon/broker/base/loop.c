/* SPDX-License-Identifier: MPL-2.0 */
/* See loop.h. */
#include "daemon/broker/base/loop.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "daemon/util/log.h"

static void timer_set(struct loop *loop, uint64_t usec)
{
        struct itimerspec spec = {0};

        loop->timer_usec = usec;
        if (usec != USEC_NEVER) {
                /* A value of 0 would switch the timer off. */
                usec = MAX_OF(usec, UINT64_C(1));
                spec.it_value.tv_sec = (time_t)(usec / USEC_PER_SEC);
                spec.it_value.tv_nsec = (long)(usec % USEC_PER_SEC * 1000U);
        }
        if (timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
                log_error("cannot set the timer: %s", strerror(errno));
}

void loop_arm(struct loop *loop, uint64_t usec)
{
        if (usec < loop->timer_usec)
                timer_set(loop, usec);
}

void loop_tick(struct loop *loop)
{
        uint64_t next;

        /* What tick() arms counts from here on. */
        loop->timer_usec = USEC_NEVER;
        next = loop->tick(loop->userdata, now_usec());
        loop_arm(loop, next);
}

static int on_timer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct loop *loop = userdata;
        uint64_t expirations;

        if (read(fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
                return -errno;
        loop_tick(loop);
        loop_settle(loop);
        return 0;
}

int loop_init(struct loop *loop, uint64_t (*tick)(void *userdata, uint64_t now),
        void (*settle)(void *userdata), void *userdata)
{
        int r;

        *loop = (struct loop){.timer_fd = -1,
                .timer_usec = USEC_NEVER,
                .tick = tick,
                .settle = settle,
                .userdata = userdata};
        /* A descriptor of our own, not a timer of sd-event: sd-event reads a file when it arms its first timer, and the
         * broker may open none by then. */
        loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (loop->timer_fd < 0)
                return -errno;
        r = sd_event_new(&loop->event);
        if (r >= 0)
                r = sd_event_add_io(loop->event, &loop->timer, loop->timer_fd, EPOLLIN, on_timer, loop);
        return r < 0 ? r : 0;
}

void loop_done(struct loop *loop)
{
        sd_event_source_disable_unref(loop->timer);
        loop->timer = NULL;
        if (loop->timer_fd >= 0)
                close(loop->timer_fd);
        loop->timer_fd = -1;
        loop->event = sd_event_unref(loop->event);
}
