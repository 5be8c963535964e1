/* SPDX-License-Identifier: MPL-2.0 */
/* See uplink.h. */
#include "daemon/broker/base/uplink.h"

#include <string.h>
#include <sys/epoll.h>

#include "daemon/util/log.h"

/* Messages kept while the supervisor does not read. It reads all the time, unless it is stopped. */
#define KEPT_MAX 256U

struct kept {
        struct link link;
        size_t length;
        uint8_t data[];
};

void uplink_init(struct uplink *uplink, int fd)
{
        *uplink = (struct uplink){.fd = fd};
        link_init(&uplink->kept);
}

void uplink_done(struct uplink *uplink)
{
        while (!link_is_empty(&uplink->kept)) {
                struct kept *kept = LINK_OF(uplink->kept.next, struct kept, link);

                link_remove(&kept->link);
                free(kept);
        }
        if (uplink->fd >= 0)
                close(uplink->fd);
        uplink->fd = -1;
}

static void watch(struct uplink *uplink)
{
        uint32_t events = EPOLLIN | (link_is_empty(&uplink->kept) ? 0U : EPOLLOUT);
        int r = uplink->source ? sd_event_source_set_io_events(uplink->source, events) : 0;

        if (r < 0)
                log_error("cannot watch the control channel: %s", strerror(-r));
}

static void keep(struct uplink *uplink, const struct wire *wire)
{
        struct kept *kept = uplink->n_kept < KEPT_MAX ? malloc(sizeof(*kept) + wire->at) : NULL;

        if (!kept) {
                log_error("the supervisor does not read: a message to it is lost");
                return;
        }
        kept->length = wire->at;
        memcpy(kept->data, wire->data, wire->at);
        link_append(&uplink->kept, &kept->link);
        uplink->n_kept++;
        watch(uplink);
}

void uplink_flush(struct uplink *uplink)
{
        while (!link_is_empty(&uplink->kept)) {
                struct kept *kept = LINK_OF(uplink->kept.next, struct kept, link);

                if (channel_send(uplink->fd, kept->data, kept->length, NULL, 0) == -EAGAIN)
                        break;
                link_remove(&kept->link);
                uplink->n_kept--;
                free(kept);
        }
        watch(uplink);
}

static void send_wire(struct uplink *uplink, const struct wire *wire)
{
        int r;

        if (wire->bad) {
                log_error("a message to the supervisor is too long, and is not sent");
                return;
        }
        r = link_is_empty(&uplink->kept) ? channel_send(uplink->fd, wire->data, wire->at, NULL, 0) : -EAGAIN;
        if (r == -EAGAIN)
                keep(uplink, wire);
        else if (r < 0)
                log_error("cannot write to the supervisor: %s", strerror(-r));
}

/* Names and reasons are short: no message here comes near this size. */
#define UPLINK_WIRE(name)                                                                                    \
        uint8_t name##_bytes[8192];                                                                          \
        struct wire name = {.data = name##_bytes, .size = sizeof(name##_bytes)}

void uplink_serving(struct uplink *uplink, const char *token, uint64_t life)
{
        UPLINK_WIRE(wire);

        message_put_serving(&wire, &(struct message_serving){.token = token, .life = life});
        send_wire(uplink, &wire);
}

void uplink_drained(struct uplink *uplink)
{
        UPLINK_WIRE(wire);

        message_put_drained(&wire, &(struct message_drained){.unused = 0});
        send_wire(uplink, &wire);
}

void uplink_look_please(struct uplink *uplink, const char *token)
{
        UPLINK_WIRE(wire);

        message_put_look_please(&wire, &(struct message_look_please){.token = token});
        send_wire(uplink, &wire);
}

void uplink_replace(struct uplink *uplink, const char *token, uint64_t life, const char *reason, bool full)
{
        UPLINK_WIRE(wire);

        message_put_replace(&wire,
                &(struct message_replace){.token = token, .life = life, .full = full, .reason = reason});
        send_wire(uplink, &wire);
}

void uplink_make_anew(struct uplink *uplink, const char *token)
{
        UPLINK_WIRE(wire);

        message_put_make_anew(&wire, &(struct message_make_anew){.token = token});
        send_wire(uplink, &wire);
}

void uplink_audit_rotate(struct uplink *uplink)
{
        UPLINK_WIRE(wire);

        message_put_audit_rotate(&wire, &(struct message_audit_rotate){.unused = 0});
        send_wire(uplink, &wire);
}

void uplink_maintain(
        struct uplink *uplink, const char *token, uint64_t number, enum maintenance what, uid_t uid)
{
        UPLINK_WIRE(wire);

        message_put_maintain(&wire,
                &(struct message_maintain){
                        .token = token, .number = number, .what = (uint8_t)what, .uid = (uint32_t)uid});
        send_wire(uplink, &wire);
}

void uplink_journal_please(struct uplink *uplink)
{
        UPLINK_WIRE(wire);

        /* Not kept: it is asked for again. */
        message_put_journal_please(&wire, &(struct message_journal_please){.unused = 0});
        (void)channel_send(uplink->fd, wire.data, wire.at, NULL, 0);
}

void uplink_pong(struct uplink *uplink, uint64_t number)
{
        UPLINK_WIRE(wire);

        message_put_pong(&wire, &(struct message_pong){.number = number});
        send_wire(uplink, &wire);
}
