/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How a call runs: this thread waits for it, or an event loop of the program's comes back to it. Both make the same steps
 * (exchange.c).
 *
 * A started call hangs in one list of its handle: waiting (for its connection, or for its time), ready (to go on), or turn
 * (ready, in the tokend_process() that runs now). The handle's loop is an epoll that has the connections of those that wait
 * and one timer, which ends when the first of them must go on. Its descriptor is what the program watches.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/internal.h"

/* A call whose connection the loop cannot take, for want of memory, is looked at so often. */
#define LOOK_USEC 10000

/* Connections that are told of at once; the next tokend_process() has the rest. */
#define EVENTS_MAX 64

/* A call that is started, or will be: handle comes first, and the program has its address. */
struct later {
        struct tokend handle;
        struct tokend *main;
        tokend_done callback;
        void *userdata;
        struct call call;
        struct tokend_failure *ret_failure;
        int64_t until;
        bool ended, running;
        struct later *next, **link; /* link NULL: it hangs in no list */
};

/* ---- both ways ---- */

/* Sets the outputs of a call that has ended, and ends it. */
static enum tokend_error conclude(struct call *call, struct tokend_failure *ret_failure)
{
        enum tokend_error error = call->error;

        if (error == TOKEND_OK && call->object) {
                /* Whatever it points to: all pointers to structures and bytes look the same. */
                memcpy(call->ret, &call->object, sizeof(call->object));
                if (call->ret_length)
                        *call->ret_length = call->length;
        } else if (call->forget) {
                call->forget(call);
        }
        if (error != TOKEND_OK && ret_failure)
                *ret_failure = call->failure;
        call_done(call);
        return error;
}

static short events_of(const struct call *call)
{
        return call->state == CALL_SENDING ? POLLOUT : POLLIN;
}

static void wait_for(const struct call *call)
{
        if (!call->connection)
                socket_wait(-1, 0, call->until);
        else if (call->connection->fd >= 0) /* else a fork in a callback closed it */
                socket_wait(call->connection->fd, events_of(call), call->until);
}

/* ---- a loop of the program's ---- */

static void hang(struct later **list, struct later *later)
{
        later->next = *list;
        if (later->next)
                later->next->link = &later->next;
        later->link = list;
        *list = later;
}

static void unhang(struct later *later)
{
        if (!later->link)
                return;
        *later->link = later->next;
        if (later->next)
                later->next->link = later->link;
        later->link = NULL;
}

/* Has the loop wake at that time, unless it does so earlier. */
static void arm(struct tokend *handle, int64_t until)
{
        int64_t usec = until < 1 ? 1 : until;
        struct itimerspec spec = {.it_value = {.tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000}};

        if (until < handle->armed_usec &&
                timerfd_settime(handle->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
                handle->armed_usec = until;
}

/* Hangs a call where it belongs after a step. */
static void park(struct later *later)
{
        struct tokend *handle = later->main;
        struct call *call = &later->call;

        if (later->ended) {
                hang(&handle->ready, later);
                arm(handle, 0);
                return;
        }
        later->until = call->until;
        if (call->connection &&
                pool_watch(handle, call->connection, events_of(call) == POLLOUT ? EPOLLOUT : EPOLLIN, later) <
                        0 &&
                clock_usec() + LOOK_USEC < later->until)
                later->until = clock_usec() + LOOK_USEC;
        hang(&handle->waiting, later);
        arm(handle, later->until);
}

static enum tokend_error start(struct later *later, struct call *call, struct tokend_failure *ret_failure)
{
        struct tokend *handle = later->main;
        int r = pool_loop(handle);

        if (r < 0) {
                call_abandon(handle, call);
                return fail(
                        ret_failure, TOKEND_CANNOT_CONNECT, "no descriptor to wait with: %s", strerror(-r));
        }
        handle->unused = NULL;
        later->call = *call;
        later->ret_failure = ret_failure;
        call_start(&later->call);
        later->ended = call_step(handle, &later->call);
        park(later);
        return TOKEND_STARTED;
}

enum tokend_error call_run(struct tokend *handle, struct call *call, struct tokend_failure *ret_failure)
{
        if (!handle) {
                call_done(call);
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a call");
        }
        if (handle->later)
                return start(handle->later, call, ret_failure);
        call_start(call);
        while (!call_step(handle, call))
                wait_for(call);
        return conclude(call, ret_failure);
}

struct tokend *tokend_later(struct tokend *handle, tokend_done callback, void *userdata)
{
        struct later *later = handle->unused;

        if (handle->later || !callback) {
                errno = EINVAL;
                return NULL;
        }
        if (!later)
                later = malloc(sizeof(*later));
        if (!later)
                return NULL;
        *later = (struct later){
                .handle.later = later, .main = handle, .callback = callback, .userdata = userdata};
        handle->unused = later;
        return &later->handle;
}

void tokend_cancel(struct tokend *call)
{
        struct later *later = call ? call->later : NULL;

        if (!later || later == later->main->unused)
                return;
        later->call.given_up = true;
        if (later->running)
                return;
        unhang(later);
        call_abandon(later->main, &later->call);
        free(later);
}

int tokend_get_fd(struct tokend *handle)
{
        int r = pool_loop(handle);

        return r < 0 ? r : handle->loop_fd;
}

int tokend_get_events(struct tokend *handle)
{
        (void)handle;
        return POLLIN;
}

/* ---- a turn of the loop ---- */

/* Moves what can go on to the list of this turn. -errno. */
static int gather(struct tokend *handle)
{
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(handle->loop_fd, events, EVENTS_MAX, 0);
        bool timer = false;
        int64_t now;

        if (n < 0)
                return errno == EINTR ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                struct later *later = events[i].data.ptr;

                timer = timer || !later;
                if (!later)
                        continue;
                unhang(later);
                hang(&handle->turn, later);
        }
        while (handle->ready) {
                struct later *later = handle->ready;

                unhang(later);
                hang(&handle->turn, later);
        }
        if (!timer)
                return 0;
        now = clock_usec();
        for (struct later *later = handle->waiting, *next; later; later = next) {
                next = later->next;
                if (later->until > now)
                        continue;
                unhang(later);
                hang(&handle->turn, later);
        }
        return 1;
}

/* The timer has ended: for which time is it set next? */
static void arm_again(struct tokend *handle)
{
        uint64_t expirations;

        (void)!read(handle->timer_fd, &expirations, sizeof(expirations));
        handle->armed_usec = INT64_MAX;
        if (handle->ready)
                arm(handle, 0);
        for (const struct later *later = handle->waiting; later; later = later->next)
                arm(handle, later->until);
}

/* Goes on with one call. Returns whether it has ended. */
static bool run(struct later *later)
{
        struct tokend *handle = later->main;
        enum tokend_error error;

        unhang(later);
        /* Its reply may call back (tokend_watch()), and that may cancel it. */
        later->running = true;
        later->ended = later->ended || call_step(handle, &later->call);
        if (later->call.given_up) {
                call_abandon(handle, &later->call);
                free(later);
                return false;
        }
        if (!later->ended) {
                later->running = false;
                park(later);
                return false;
        }
        error = conclude(&later->call, later->ret_failure);
        later->callback(error, later->userdata);
        free(later);
        return true;
}

int tokend_process(struct tokend *handle)
{
        int n_ended = 0, r;

        if (handle->loop_fd < 0)
                return 0;
        r = gather(handle);
        if (r < 0)
                return r;
        while (handle->turn)
                n_ended += run(handle->turn);
        /* A callback may have forked: the child has no loop. */
        if (r > 0 && handle->loop_fd >= 0)
                arm_again(handle);
        return n_ended;
}

static void cancel_all(struct later *list)
{
        while (list) {
                struct later *next = list->next;

                tokend_cancel(&list->handle);
                list = next;
        }
}

void tokend_close(struct tokend *handle)
{
        if (!handle || handle->later)
                return;
        cancel_all(handle->waiting);
        cancel_all(handle->ready);
        free(handle->unused);
        pool_close(handle);
}
