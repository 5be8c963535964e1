/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The records that are not safe yet, who waits for them, and whether records are kept at all. Bounded in what it keeps;
 * never waits for anything itself. It knows nothing of what a record is about.
 *
 * records.c        this
 * to-journal.c     the way to journald
 * to-file.c        the way to tokend-audit
 * audit-broker.c   which of the two, time, configuration
 */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/util/audit.h"

/* A record that is not safe yet: as JSON for the file, or as the journal's fields. */
struct audit_item {
        struct link link;
        uint64_t number, put_usec;
        /* Who waits for it, until deadline_usec at most; NULL: nobody does. */
        void (*waiter)(void *userdata, bool may);
        void *userdata;
        uint64_t deadline_usec;
        bool sent;
        size_t length;
        char data[];
};

struct audit {
        struct broker *broker;
        enum audit_mode mode;
        bool required;
        const char *path; /* of the file; the configuration's that is in force */

        bool ok; /* records are kept; reason: why not */
        char reason[256];
        uint64_t since_usec;        /* wall clock: of ok */
        uint64_t lost, lost_before; /* records given up here, and how many of them when ok was lost */
        uint64_t last_number;

        struct link items; /* in their order: first those that were sent */
        size_t n_bytes;

        int journal_fd; /* connected to journald; -1: there was none when it was tried last */
        sd_event_source *journal;
        bool blocked; /* what is next could not be sent */
        bool absent;  /* there is no journald: the supervisor is asked for another socket at retry_usec */
        bool probing; /* a record of its own tries whether the journal is back */
        uint64_t retry_usec;

        int fd; /* the channel to tokend-audit; -1: none */
        sd_event_source *channel;
        uint64_t gone_usec; /* since when there is none */
        bool state_ok;      /* its own word */
        char state_reason[256];
        uint64_t seq, signed_seq, signed_usec, rotated_seq, state_lost;
        /* Answers HEAD, sooner or later. */
        void (*on_head)(struct audit *audit, const struct message_head *head);
};

static inline bool audit_is_kept(const struct audit *audit)
{
        return audit->mode != AUDIT_MODE_NONE;
}

/* Whether nothing may be done, because nothing can be recorded. */
bool audit_refuses(const struct audit *audit);

/* Adds a record. waiter (NULL: nobody waits): called once with userdata, with may true when the record is safe or need not be,
 * and with may false where it is not in time. Where it has to be waited for, *ret_item is the record until then; else it
 * becomes NULL, and waiter is not called. -ENOBUFS, -ENOMEM, -EMSGSIZE: the record is lost, and counted. */
int audit_put(struct audit *audit, const struct audit_record *record,
        void (*waiter)(void *userdata, bool may), void *userdata, uint64_t deadline_usec,
        struct audit_item **ret_item);
/* Nobody waits for it any more; the record stays. */
void audit_forget(struct audit_item *item);

void audit_login(struct audit *audit, const char *token, bool ok, const char *reason);

/* ---- for the two ways out ---- */

/* The oldest record that was not sent; NULL: all were. */
struct audit_item *records_first_unsent(struct audit *audit);
/* All records up to number: they are safe, or will not be as far as is known. */
void records_settle(struct audit *audit, uint64_t number, bool safe);
/* Who waits for the record goes on. */
void records_release(struct audit *audit, struct audit_item *item, bool safe);
/* Frees it; who waits for it goes on without it. */
void records_drop(struct audit *audit, struct audit_item *item);
/* Everything is to be sent again, to whoever comes next. */
void records_unsend(struct audit *audit);
/* Records are kept from now on, or not: tells the log, and the journal where it can be told. */
void records_set_ok(struct audit *audit, bool ok, const char *reason);
/* When the first record that is not safe has taken too long. */
uint64_t records_overdue_usec(const struct audit *audit);
/* Who has waited long enough goes on. Returns when to come again. */
uint64_t records_tick(struct audit *audit, uint64_t now);
