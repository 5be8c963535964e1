/* SPDX-License-Identifier: MPL-2.0 */
/* The broker's one context: what main() holds, and every module reaches. Data alone; broker.c puts it together. */
#pragma once

#include "daemon/broker/base/loop.h"
#include "daemon/broker/base/uplink.h"
#include "daemon/broker/model/account.h"
#include "daemon/broker/model/policy.h"
#include "daemon/util/log.h"

struct audit;
struct entry;
struct method;
struct token;

/* What happens to a token, for those rooms above that have something of it. Each is called when its event is over. */
enum token_event {
        TOKEN_LOST,       /* its worker is gone, and all that the worker had */
        TOKEN_TAKEN_OVER, /* another worker has taken the place of its own */
        TOKEN_REFRESHED,  /* its directory is up to date */
        TOKEN_CHANGED,    /* an operation changed it, or may have */
        TOKEN_SETTLED,    /* what the worker told is one state of the token */
        TOKEN_UNSURE,     /* the worker does not know what is on it */
        TOKEN_GOES,       /* it is not configured any more: it is freed after this */
};

struct listener {
        struct broker *broker;
        enum listen_kind kind;
        int fd;
        sd_event_source *source;
        size_t n_connections;
};

struct broker {
        struct loop loop;
        struct uplink uplink;
        uint8_t *buffer; /* LIMIT_CHANNEL_MESSAGE bytes, for whatever channel is being read */

        const struct method *methods; /* the table of all of them */
        size_t n_methods;
        uint64_t *answers; /* of each method, by enum proto_error */

        struct config *config;
        bool config_ok;        /* the files, as they were read last, are in force; as the supervisor says */
        char *config_reason;   /* why they are not; NULL, "": they are */
        uint64_t config_usec;  /* since when; wall clock */
        uint64_t started_usec; /* of the daemon */
        uint64_t begun_usec;   /* of this process; both wall clock */
        uid_t own_uid;
        uint64_t list_seed; /* random: what List's state begins with, so that nobody can know it before */
        bool sealed;        /* the filter is in force */

        struct link tokens, instances; /* registry.h */
        struct accounts accounts;
        bool tokens_dirty; /* one of them has to be pumped */
        /* The rooms above the token's: accelerators, and looks. */
        void (*on_token)(struct token *token, enum token_event event);
        void (*on_dropped)(struct token *token, const struct entry *entry);

        struct audit *audit;
        bool audit_dirty;      /* records are to be sent */
        uint64_t last_request; /* the number of the last request that is in the records */

        struct listener keys, status;
        uint64_t turn;                  /* counts events */
        struct link connections, dirty; /* dirty: those with something to render, send or begin */
        uint64_t strangers_denied, requests_broken;
        struct log_rate denial_rate, accept_rate, unit_rate;
        size_t n_strangers, max_keys_connections;
        size_t max_descriptors;     /* of this process, the limit when it started */
        uint64_t accept_again_usec; /* listeners rest until then; USEC_NEVER: they do not */
        struct link units;          /* connections whose unit is asked for */
        bool units_late;            /* the supervisor did not answer in the time that the records wait */
        uint64_t last_ticket;
        size_t n_asked;

        uint64_t trim_usec; /* when memory is given back to the system; USEC_NEVER: none is to be */

        uint64_t last_wish; /* number of what an operator wanted last */

        bool draining, drained;
        uint64_t drain_usec;
};
