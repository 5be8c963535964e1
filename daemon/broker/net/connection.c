/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See connection.h. Nothing is parsed before it may begin: what has to wait (behind a method that changes a
 * token, behind 64 others, behind replies that the client does not read) stays bytes in the one bounded
 * buffer, and then in the client's own socket.
 */
#include "daemon/broker/net/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/broker/net/dispatch.h"
#include "daemon/broker/token/backlog.h"
#include "daemon/util/log.h"

/* Unsent bytes of replies beyond which no other reply is rendered. */
#define OUTPUT_ENOUGH (64U * 1024U)
/* Reads in one turn of the loop: other clients come in between. */
#define READS_A_TURN 4U
static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata);

int connection_new(struct listener *listener, int fd, struct caller *caller, struct instance *instance,
        bool pending, struct connection **ret)
{
        struct connection *c = calloc(1, sizeof(*c));
        struct broker *broker = listener->broker;
        int r;

        if (!c) {
                caller_unref(caller);
                close(fd);
                return -ENOMEM;
        }
        link_init(&c->link);
        link_init(&c->client.dirty);
        link_init(&c->client.ops);
        link_init(&c->unit_link);
        frame_init(&c->frame, LIMIT_MESSAGE);
        c->client.broker = broker;
        c->client.kind = listener->kind;
        c->client.caller = caller;
        c->listener = listener;
        c->fd = fd;
        c->events = EPOLLIN;
        link_append(&broker->connections, &c->link);
        listener->n_connections++;
        c->unit_pending = pending;
        c->accepted_usec = boottime_usec();
        broker->n_strangers += connection_is_stranger(c);
        connection_set_instance(c, instance);
        if (caller->account)
                caller->account->n_connections++;
        connection_charge(c);
        r = sd_event_add_io(broker->loop.event, &c->source, fd, c->events, on_io, c);
        if (r < 0) {
                connection_free(c);
                return r;
        }
        /* Again: what it may decides the priority of the source as well. */
        connection_set_instance(c, c->client.instance);
        *ret = c;
        return 0;
}

static struct op *first_op(const struct connection *c)
{
        return link_is_empty(&c->client.ops) ? NULL : LINK_OF(c->client.ops.next, struct op, in_client);
}

static struct op *last_op(const struct connection *c)
{
        return link_is_empty(&c->client.ops) ? NULL : LINK_OF(c->client.ops.prev, struct op, in_client);
}

void connection_free(struct connection *c)
{
        struct op *op;

        while ((op = first_op(c)))
                backlog_client_gone(op);
        connection_unask(c);
        link_remove(&c->unit_link);
        connection_set_instance(c, NULL);
        c->client.broker->n_strangers -= connection_is_stranger(c);
        c->listener->n_connections--;
        link_remove(&c->link);
        link_remove(&c->client.dirty);
        sd_event_source_disable_unref(c->source);
        sd_event_source_disable_unref(c->rest);
        close(c->fd);
        frame_done(&c->frame);
        output_done(&c->output);
        account_charge(c->client.caller->account, c->charged, 0);
        if (c->client.caller->account)
                c->client.caller->account->n_connections--;
        caller_unref(c->client.caller);
        free(c);
}

/* ---- in ---- */

static bool may_take(const struct connection *c)
{
        const struct op *last = last_op(c);

        if (c->client.gone || c->broken || c->unit_pending || c->unit_awaited_usec > 0 ||
                c->client.n_ops >= LIMIT_REQUESTS_PER_CONNECTION ||
                c->client.n_bytes >= LIMIT_REQUESTS_BYTES || output_pending(&c->output) >= OUTPUT_ENOUGH)
                return false;
        return !last || op_is_parallel(last);
}

/* A request that may not run beside the others begins when it is the only one left. */
static void begin_last(struct connection *c)
{
        struct op *last = last_op(c);

        if (last && last->state == OP_NEW && !c->unit_pending &&
                (op_is_parallel(last) || c->client.n_ops == 1))
                op_begin(last);
}

/* Whether it took any. */
static bool take_requests(struct connection *c)
{
        uint64_t begun = now_usec();
        bool taken = false;

        /* One that is over its bound goes on when what it has is answered. */
        while (may_take(c) && (!first_op(c) || !connection_is_over(c))) {
                size_t length = 0;
                char *text = NULL;
                int r = frame_next(&c->frame, &text, &length);

                if (r == 0)
                        break;
                taken = true;
                r = r < 0 ? 1 : dispatch(&c->client, text, length);
                if (r == 1) {
                        c->broken = true;
                        r = dispatch_broken(&c->client);
                }
                if (r < 0) {
                        c->client.gone = true;
                        break;
                }
                begin_last(c);
                if (connection_ends_turn(c))
                        break;
        }
        if (taken)
                connection_spend(c, begun);
        return taken;
}

/* The message that has filled the whole buffer and not ended. */
static void refuse_long(struct connection *c)
{
        c->broken = true;
        if (dispatch_broken(&c->client) < 0)
                c->client.gone = true;
        else
                begin_last(c);
}

/* Its user has more of the broker than he may. What he asked is answered before more is read; a connection that owes him nothing
 * is closed. */
static bool is_refused(struct connection *c)
{
        if (!connection_is_over(c))
                return false;
        if (connection_is_idle(c)) {
                c->client.caller->account->n_closed++;
                c->client.gone = true;
        }
        return true;
}

/* Its client has closed. What it sent before, to its last byte, is read all the same: a oneway call in it is done. */
static void hang_up(struct connection *c)
{
        char byte;

        c->client.deaf = true;
        c->eof = c->eof || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
        output_done(&c->output);
}

static void read_some(struct connection *c)
{
        unsigned n_reads = connection_is_stranger(c) ? 1 : READS_A_TURN;

        for (unsigned i = 0; i < n_reads && !c->eof && may_take(c) && !is_refused(c); i++) {
                size_t size;
                char *room;
                ssize_t n;
                int r = frame_room(&c->frame, &room, &size);

                if (r == -EMSGSIZE) {
                        refuse_long(c);
                        return;
                }
                /* Plain recv: descriptors that a client passes along are dropped by the kernel. */
                if (r < 0) {
                        c->client.gone = true;
                        return;
                }
                n = recv(c->fd, room, size, MSG_DONTWAIT);
                if (n < 0 && (errno == EAGAIN || errno == EINTR))
                        return;
                if (n < 0) {
                        hang_up(c);
                        n = 0;
                }
                c->eof = n == 0;
                frame_filled(&c->frame, (size_t)n);
                (void)take_requests(c);
                connection_charge(c);
                if ((size_t)n < size || connection_ends_turn(c))
                        return;
        }
}

/* ---- out ---- */

/* A Watch between its replies: none is rendered while the one before is still unsent. */
static bool is_early(const struct connection *c, const struct op *op)
{
        return op->next_usec > 0 && (output_pending(&c->output) > 0 || op->next_usec > now_usec());
}

/* Renders what has its turn, as far as there is room for it. Whether it rendered anything. */
static bool render_replies(struct connection *c)
{
        bool rendered = false;
        struct op *first;

        while (!c->client.gone && (first = first_op(c)) && output_pending(&c->output) < OUTPUT_ENOUGH) {
                enum render more;

                if (!first->answered || first->record || is_early(c, first))
                        break;
                more = c->client.deaf ? RENDER_LAST : op_render(first, &c->output);
                rendered = true;
                if (more == RENDER_LATER)
                        break;
                if (more == RENDER_LAST)
                        op_leave_client(first);
        }
        if (c->output.failed)
                c->client.gone = true;
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
                else if (errno != EINTR)
                        hang_up(c);
        }
        return 0;
}

static void watch(struct connection *c)
{
        uint32_t events = 0;
        int r = 0;

        /* An idle connection of a user who is over his bound is watched: what he sends closes it. */
        if (!c->eof && !c->client.broker->draining && may_take(c) && !c->rests &&
                (connection_is_idle(c) || !connection_is_over(c)))
                events |= EPOLLIN;
        if (output_pending(&c->output) > 0)
                events |= EPOLLOUT;
        if (events != c->events)
                r = sd_event_source_set_io_events(c->source, events);
        c->events = events;
        /* That the client has closed is reported without end. */
        if (r >= 0 && c->client.deaf)
                r = sd_event_source_set_enabled(c->source, events ? SD_EVENT_ON : SD_EVENT_OFF);
        if (r < 0)
                c->client.gone = true;
}

static void drop_watch(struct connection *c)
{
        struct op *first = first_op(c);

        if (first && first->next_usec > 0)
                op_leave_client(first);
}

/* Nobody reads the replies: what no worker has yet is dropped, but for what was sent oneway. What a worker has stays for the order. */
static void drop_unread(struct connection *c)
{
        LINK_FOREACH_SAFE(at, &c->client.ops)
        {
                struct op *op = LINK_OF(at, struct op, in_client);

                if (!op->oneway && !op_is_under_way(op))
                        backlog_client_gone(op);
        }
}

/* Nothing more is to be begun of it, and nobody to be answered. */
static bool is_over(const struct connection *c)
{
        const struct op *last = last_op(c);

        if (c->client.gone || c->rests)
                return c->client.gone;
        if (!c->client.deaf)
                return (c->eof || c->broken) && connection_is_idle(c);
        /* While the daemon ends nothing more is read. */
        if (!c->eof && !c->broken && !c->client.broker->draining)
                return false;
        return (!last || last->state != OP_NEW) && (c->broken || frame_pending(&c->frame) == 0 || !last);
}

void connection_serve(struct connection *c)
{
        bool progress = true;

        link_remove(&c->client.dirty);
        connection_begin_turn(c);
        while (progress && !c->client.gone) {
                bool full;

                progress = render_replies(c);
                if (c->client.broker->draining)
                        drop_watch(c);
                full = output_pending(&c->output) >= OUTPUT_ENOUGH;
                if (send_output(c) != 0 && !c->client.gone)
                        progress = false;
                else if (full)
                        progress = true; /* there is room now for what had none */
                if (c->client.deaf)
                        drop_unread(c);
                begin_last(c);
                progress = (!connection_ends_turn(c) && take_requests(c)) || progress;
        }
        if (is_over(c)) {
                connection_free(c);
                return;
        }
        if (frame_pending(&c->frame) == 0)
                frame_shrink(&c->frame);
        connection_charge(c);
        watch(c);
        if (c->client.gone)
                connection_free(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct connection *c = userdata;
        struct broker *broker = c->client.broker;

        /* Both ways are shut: nobody is there to be answered. */
        if (events & (EPOLLHUP | EPOLLERR))
                hang_up(c);
        connection_begin_turn(c);
        if (events & EPOLLIN)
                read_some(c);
        client_touch(&c->client);
        loop_settle(&broker->loop);
        return 0;
}

uint64_t connection_tick(struct connection *c, uint64_t now)
{
        const struct op *first = first_op(c);

        /* With replies unsent it goes on when the client has read them. */
        if (!first || !first->answered || first->next_usec == 0 || output_pending(&c->output) > 0)
                return USEC_NEVER;
        if (first->next_usec > now)
                return first->next_usec;
        client_touch(&c->client);
        return USEC_NEVER;
}

void connection_read_last(struct connection *c)
{
        /* No record waits for the unit now. */
        c->unit_awaited_usec = 0;
        read_some(c);
        client_touch(&c->client);
}
