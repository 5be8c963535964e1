/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One client's connection: its bytes in, cut into requests; their replies out, in the order of the requests.
 * Bounded in what it holds, whatever the client does or leaves undone.
 */
#pragma once

#include "daemon/broker/broker.h"
#include "daemon/broker/base/output.h"
#include "proto/frame.h"

struct connection {
        struct link link,
                dirty; /* in the broker's lists; dirty: something changed since it was last served */
        struct broker *broker;
        struct listener *listener;
        int fd;
        sd_event_source *source;
        uint32_t events; /* what the source watches for */
        struct caller caller;
        struct instance *instance; /* NULL: matches none */
        struct link unit_link;     /* while its unit is asked for */
        uint64_t unit_ticket, unit_deadline_usec,
                accepted_usec; /* ticket: of the question that is out; 0: none */
        bool unit_pending;     /* nothing of it is read before its unit is known */
        char *unit;
        struct frame frame;
        struct output output;
        struct link requests;       /* in their order; the first one's reply is next */
        size_t n_requests, n_bytes; /* n_bytes: of the requests' messages */
        bool eof;                   /* the client sends no more */
        bool broken;                /* it sent what cannot be read on from: closed after the replies */
        bool gone;                  /* nobody is there: freed when the event at hand is over */
};

/* Takes fd and the caller's groups over, also when it fails. pending: who it is will be known when its unit is. */
int connection_new(struct listener *listener, int fd, const struct caller *caller, struct instance *instance,
        bool pending);
void connection_free(struct connection *connection);

/* Something of it changed: it is served at the end of the event. */
void connection_touch(struct connection *connection);
/* Renders, sends, begins and closes what it can. May free it. */
void connection_serve(struct connection *connection);

/* After a reload, and when its unit is known. */
void connection_set_instance(struct connection *connection, struct instance *instance);

/* Nothing is read from it, and it counts as nobody's. */
void connection_set_pending(struct connection *connection, bool pending);

/* A caller of the main socket that matches no instance, as far as is known. */
bool connection_is_stranger(const struct connection *connection);

/* Nothing asked is unanswered, nothing answered unsent. */
bool connection_is_idle(const struct connection *connection);

/* The daemon ends, and nothing is read any more: what has come by now, a few reads of it, is served yet. A Watch,
 * which never would, ends. */
void connection_read_last(struct connection *connection);

/* What has its own clock (Watch); returns when to come again. */
uint64_t connection_tick(struct connection *connection, uint64_t now);
