/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See connection.h. Nothing is parsed before it may begin: what has to wait (behind a method that changes a
 * token, behind 64 others, behind replies that the client does not read) stays bytes in the one bounded
 * buffer, and then in the client's own socket.
 */
#include "daemon/broker/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/broker/dispatch.h"
#include "daemon/broker/request.h"
#include "daemon/broker/unit.h"
#include "daemon/util/log.h"

/* Unsent bytes of replies beyond which no other reply is rendered. */
#define OUTPUT_ENOUGH (64U * 1024U)
/* Reads in one turn of the loop: other clients come in between. */
#define READS_A_TURN 4U

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata);

int connection_new(struct listener *listener, int fd, const struct caller *caller, struct instance *instance,
        bool pending)
{
        struct connection *c = calloc(1, sizeof(*c));
        int r;

        if (!c) {
                free(caller->groups);
                close(fd);
                return -ENOMEM;
        }
        link_init(&c->link);
        link_init(&c->dirty);
        link_init(&c->requests);
        link_init(&c->unit_link);
        frame_init(&c->frame, LIMIT_MESSAGE);
        c->broker = listener->broker;
        c->listener = listener;
        c->fd = fd;
        c->caller = *caller;
        c->events = EPOLLIN;
        link_append(&c->broker->connections, &c->link);
        listener->n_connections++;
        c->unit_pending = pending;
        c->broker->n_strangers += connection_is_stranger(c);
        connection_set_instance(c, instance);
        r = sd_event_add_io(c->broker->event, &c->source, fd, c->events, on_io, c);
        if (r < 0)
                connection_free(c);
        else if (unit_is_wanted(c->broker))
                unit_ask(c);
        return r;
}

/* Status connections count for no instance: they have their own reserve. */
void connection_set_instance(struct connection *c, struct instance *instance)
{
        if (c->listener->kind == LISTEN_KEYS) {
                if (c->instance)
                        c->instance->n_connections--;
                if (instance)
                        instance->n_connections++;
        }
        c->broker->n_strangers -= connection_is_stranger(c);
        c->instance = instance;
        c->broker->n_strangers += connection_is_stranger(c);
}

void connection_set_pending(struct connection *c, bool pending)
{
        c->broker->n_strangers -= connection_is_stranger(c);
        c->unit_pending = pending;
        c->broker->n_strangers += connection_is_stranger(c);
}

bool connection_is_stranger(const struct connection *c)
{
        return c->listener->kind == LISTEN_KEYS && !c->instance && !c->unit_pending;
}

void connection_free(struct connection *c)
{
        while (!link_is_empty(&c->requests))
                request_free(LINK_OF(c->requests.next, struct request, link));
        unit_forget(c);
        connection_set_instance(c, NULL);
        c->broker->n_strangers -= connection_is_stranger(c);
        c->listener->n_connections--;
        link_remove(&c->link);
        link_remove(&c->dirty);
        sd_event_source_disable_unref(c->source);
        close(c->fd);
        frame_done(&c->frame);
        output_done(&c->output);
        free(c->caller.groups);
        free(c->unit);
        free(c);
}

void connection_touch(struct connection *c)
{
        link_remove(&c->dirty);
        link_append(&c->broker->dirty, &c->dirty);
}

bool connection_is_idle(const struct connection *c)
{
        return link_is_empty(&c->requests) && output_pending(&c->output) == 0;
}

/* ---- in ---- */

static bool may_take(const struct connection *c)
{
        const struct request *last;

        if (c->gone || c->broken || c->unit_pending || c->n_requests >= LIMIT_REQUESTS_PER_CONNECTION ||
                c->n_bytes >= LIMIT_REQUESTS_BYTES || output_pending(&c->output) >= OUTPUT_ENOUGH)
                return false;
        if (link_is_empty(&c->requests))
                return true;
        last = LINK_OF(c->requests.prev, struct request, link);
        return request_is_parallel(last);
}

/* One that may not run beside the others begins when it is the only one left. */
static void begin_last(struct connection *c)
{
        struct request *last;

        if (link_is_empty(&c->requests))
                return;
        last = LINK_OF(c->requests.prev, struct request, link);
        if (!last->begun && (request_is_parallel(last) || c->n_requests == 1))
                request_begin(last);
}

/* Whether it took any. */
static bool take_requests(struct connection *c)
{
        bool taken = false;

        while (may_take(c)) {
                size_t length = 0;
                char *text = NULL;
                int r = frame_next(&c->frame, &text, &length);

                if (r == 0)
                        break;
                taken = true;
                if (r < 0)
                        r = dispatch_broken(c);
                else
                        r = dispatch(c, text, length);
                if (r < 0) {
                        c->gone = true;
                        break;
                }
                begin_last(c);
        }
        return taken;
}

/* The message that has filled the whole buffer and not ended. */
static void refuse_long(struct connection *c)
{
        if (dispatch_broken(c) < 0)
                c->gone = true;
        else
                begin_last(c);
}

static void read_some(struct connection *c)
{
        for (unsigned i = 0; i < READS_A_TURN && !c->eof && may_take(c); i++) {
                size_t size;
                char *room;
                ssize_t n;
                int r = frame_room(&c->frame, &room, &size);

                if (r == -EMSGSIZE) {
                        refuse_long(c);
                        return;
                }
                /* Plain recv: descriptors that a client passes along are dropped by the kernel. */
                n = r < 0 ? -1 : recv(c->fd, room, size, MSG_DONTWAIT);
                if (n < 0) {
                        if (r < 0 || (errno != EAGAIN && errno != EINTR))
                                c->gone = true;
                        return;
                }
                c->eof = n == 0;
                frame_filled(&c->frame, (size_t)n);
                (void)take_requests(c);
                if ((size_t)n < size)
                        return;
        }
}

/* ---- out ---- */

static void drop_first(struct connection *c)
{
        request_free(LINK_OF(c->requests.next, struct request, link));
}

/* A Watch between its replies: none is rendered while the one before is still unsent. */
static bool is_early(const struct connection *c, const struct request *request)
{
        return request->next_usec > 0 && (output_pending(&c->output) > 0 || request->next_usec > now_usec());
}

/* Renders what has its turn, as far as there is room for it. Whether it rendered anything. */
static bool render_replies(struct connection *c)
{
        bool rendered = false;

        while (!link_is_empty(&c->requests) && output_pending(&c->output) < OUTPUT_ENOUGH) {
                struct request *first = LINK_OF(c->requests.next, struct request, link);
                enum render more;

                if (!first->done || first->audit || is_early(c, first))
                        break;
                more = request_render(first, &c->output);
                rendered = true;
                if (more == RENDER_LATER)
                        break;
                if (more == RENDER_LAST)
                        drop_first(c);
        }
        if (c->output.failed)
                c->gone = true;
        return rendered;
}

/* 1: the client takes no more for now. */
static int send_output(struct connection *c)
{
        while (output_pending(&c->output) > 0) {
                ssize_t n = send(c->fd, c->output.data + c->output.begin, output_pending(&c->output),
                        MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n >= 0)
                        output_sent(&c->output, (size_t)n);
                else if (errno == EAGAIN)
                        return 1;
                else if (errno != EINTR) {
                        c->gone = true;
                        return 1;
                }
        }
        return 0;
}

static void watch(struct connection *c)
{
        uint32_t events = 0;
        int r;

        if (!c->eof && !c->broker->draining && may_take(c))
                events |= EPOLLIN;
        if (output_pending(&c->output) > 0)
                events |= EPOLLOUT;
        if (events == c->events)
                return;
        r = sd_event_source_set_io_events(c->source, events);
        if (r < 0)
                c->gone = true;
        c->events = events;
}

static void drop_watch(struct connection *c)
{
        struct request *first;

        if (link_is_empty(&c->requests))
                return;
        first = LINK_OF(c->requests.next, struct request, link);
        if (first->next_usec > 0)
                drop_first(c);
}

void connection_serve(struct connection *c)
{
        bool progress = true;

        link_remove(&c->dirty);
        while (progress && !c->gone) {
                bool full;

                progress = render_replies(c);
                if (c->broker->draining)
                        drop_watch(c);
                full = output_pending(&c->output) >= OUTPUT_ENOUGH;
                if (send_output(c) != 0 && !c->gone)
                        progress = false;
                else if (full)
                        progress = true; /* there is room now for what had none */
                begin_last(c);
                progress = take_requests(c) || progress;
        }
        if (c->gone || ((c->eof || c->broken) && connection_is_idle(c))) {
                connection_free(c);
                return;
        }
        if (frame_pending(&c->frame) == 0)
                frame_shrink(&c->frame);
        watch(c);
        if (c->gone)
                connection_free(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct connection *c = userdata;
        struct broker *broker = c->broker;

        if (events & EPOLLIN)
                read_some(c);
        /* Both ways are shut: nobody is there to be answered. */
        if (events & (EPOLLHUP | EPOLLERR))
                c->gone = true;
        connection_touch(c);
        broker_settle(broker);
        return 0;
}

uint64_t connection_tick(struct connection *c, uint64_t now)
{
        struct request *first;

        if (link_is_empty(&c->requests))
                return USEC_NEVER;
        first = LINK_OF(c->requests.next, struct request, link);
        /* With replies unsent it goes on when the client has read them. */
        if (!first->done || first->next_usec == 0 || output_pending(&c->output) > 0)
                return USEC_NEVER;
        if (first->next_usec > now)
                return first->next_usec;
        connection_touch(c);
        return USEC_NEVER;
}

void connection_read_last(struct connection *c)
{
        read_some(c);
        connection_touch(c);
}
