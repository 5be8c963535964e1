/* SPDX-License-Identifier: MPL-2.0 */
/*
 * One client's connection: its bytes in, cut into requests; their replies out, in the order of the requests.
 * Bounded in what it holds, whatever the client does or leaves undone.
 */
#pragma once

#include "daemon/broker/base/output.h"
#include "daemon/broker/op/op.h"
#include "proto/frame.h"

struct connection {
        struct client client; /* what its requests know of it */
        struct link link;     /* in the broker's list */
        struct listener *listener;
        int fd;
        sd_event_source *source;
        uint32_t events;             /* what the source watches for */
        struct link unit_link;       /* while its unit is asked for */
        uint64_t unit_ticket;        /* of the question that is out; 0: none */
        uint64_t unit_deadline_usec; /* of that question */
        uint64_t unit_given_up_usec;
        uint64_t accepted_usec;     /* CLOCK_BOOTTIME */
        bool unit_known;            /* caller->unit is decided, be it that there is none */
        uint64_t unit_awaited_usec; /* the records want it: nothing is read before then; 0: not awaited */
        bool unit_pending;          /* nothing of it is read or begun before its unit is known */
        uint64_t turn;              /* the event that its present turn is of */
        uint64_t turn_usec;         /* when that began */
        sd_event_source *rest;      /* for what its turn left over; NULL: it never did */
        bool rests;                 /* its turn is over, and another is on its way */
        bool behind;                /* others come first */
        size_t charged; /* bytes: its own part of its user's account, beside that of its requests */
        struct frame frame;
        struct output output;
        bool eof;    /* the client sends no more */
        bool broken; /* it sent what cannot be read on from: closed after the replies */
};

/* Takes fd over, and a reference to the caller, also when it fails. pending: who it is will be known when its unit is. ret: the
 * connection. */
int connection_new(struct listener *listener, int fd, struct caller *caller, struct instance *instance,
        bool pending, struct connection **ret);
void connection_free(struct connection *connection);

/* Renders, sends, begins and closes what it can. May free it. */
void connection_serve(struct connection *connection);

/* Whose it is from now on. NULL: a stranger's. */
void connection_set_instance(struct connection *connection, struct instance *instance);

/* It is known who it is: it counts as that instance's, or as a stranger's; where there is no room for one more it goes. */
void connection_match(struct connection *connection);
/* After a reload. Where a Unit= came to matter it waits until its unit is known; what was taken of it goes on as its instance's. */
void connection_match_again(struct connection *connection);

/* The question for its unit that is out, if there is one, counts no more: an answer to it is dropped. */
void connection_unask(struct connection *connection);

/* What is allocated of its own by now is charged to its user. */
void connection_charge(struct connection *connection);
/* Whether its user has more of the broker than he may. */
bool connection_is_over(const struct connection *connection);

/* Its turn begins, if it had none in this event. Each time that it is over, which is soon, others may come in between before it goes on. */
void connection_begin_turn(struct connection *connection);
/* Whether it is over; then what is left is taken up in another one. */
bool connection_ends_turn(struct connection *connection);
/* What it took of the time since then is charged to its user, and decides whether others come first. */
void connection_spend(struct connection *connection, uint64_t since_usec);

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
