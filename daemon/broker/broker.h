/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's one context: what main() holds, and every module reaches. */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/broker/audit.h"
#include "daemon/broker/base/list.h"
#include "daemon/broker/model/policy.h"
#include "daemon/broker/token.h"
#include "daemon/channel/message.h"

struct connection;

/* An instance of the configuration, and what is counted of it; it survives a reload by its name. */
struct instance {
        struct link link;
        char *name;
        const struct config_instance
                *config;                  /* of the configuration in force; NULL: it is not in it any more */
        size_t n_connections, n_requests; /* n_requests: not answered yet */
        size_t n_jobs;                    /* that name it: it is not freed before they are */
        uint64_t requests, denied, errors;
};

struct listener {
        struct broker *broker;
        enum listen_kind kind;
        int fd;
        sd_event_source *source;
        size_t n_connections;
};

struct broker {
        sd_event *event;
        int control_fd;
        sd_event_source *control, *timer;
        int timer_fd;
        uint64_t timer_usec; /* when it is set to go off; USEC_NEVER: not at all */
        struct link kept;    /* messages for the supervisor that its channel had no room for */
        size_t n_kept;
        uint8_t *buffer; /* LIMIT_CHANNEL_MESSAGE bytes, for whatever channel is being read */

        struct config *config;
        uint64_t started_usec; /* of the daemon */
        uint64_t begun_usec;   /* of this process; both wall clock */
        uid_t own_uid;
        bool sealed;

        struct link tokens, instances;
        struct listener keys, status;
        struct link connections, dirty; /* dirty: those with something to render, send or begin */
        bool tokens_dirty;
        uint64_t strangers_denied, requests_broken;
        uint64_t log_usec; /* since when denials are counted for the log, and how many were logged, or not */
        unsigned n_logged, n_unlogged;
        size_t n_strangers, max_keys_connections;
        size_t max_descriptors;      /* of this process, the limit when it started */
        uint64_t accept_again_usec;  /* listeners rest until then; USEC_NEVER: they do not */
        uint64_t accept_logged_usec; /* when it was last logged that they have to; 0: never */

        struct audit *audit;
        bool audit_dirty;  /* records are to be sent */
        struct link units; /* connections whose unit is asked for */
        uint64_t last_ticket;
        size_t n_asked;

        bool draining, drained;
        uint64_t drain_usec;
};

/* control_fd: the supervisor's, taken over. The caller calls broker_done(). */
int broker_init(struct broker *broker, int control_fd);
void broker_done(struct broker *broker);

/* Puts a configuration in force: tokens and instances follow, every connection is matched again. Takes it. */
int broker_configure(struct broker *broker, struct config *config);

/* NULL: none of that name. */
struct token *broker_token(struct broker *broker, const char *name);
struct instance *broker_instance(struct broker *broker, const struct config_instance *config);

/* How many of its requests wait, on all tokens. */
size_t broker_instance_queued(struct broker *broker, const struct instance *instance);

/* The timer goes off at usec (CLOCK_MONOTONIC) or before. */
void broker_arm(struct broker *broker, uint64_t usec);

/* Called at the end of every event: tokens and connections that were touched send what they have. */
void broker_settle(struct broker *broker);

/* No more connections and requests; answers what is there until usec. */
void broker_drain(struct broker *broker, uint64_t usec);
