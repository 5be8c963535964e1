/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The audit as the broker has it: each use of a key becomes a record, the record goes to the journal or to tokend-audit,
 * and a reply (or, with AuditRequired=yes, an operation that changes a token) waits where it must until its record is
 * safe. Bounded in what it keeps; never waits for anything itself.
 *
 * audit.c          records that are not safe yet, who waits for them, whether records are kept at all
 * audit-record.c   what a record says of a request, and which are made
 * audit-sink.c     the two ways out: the journal's socket, the channel to tokend-audit
 * audit-head.c     the signature of the file's head
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/broker/base/list.h"
#include "daemon/broker/base/output.h"
#include "daemon/channel/message.h"
#include "daemon/config/config.h"
#include "daemon/util/audit.h"

struct broker;
struct job;
struct job_result;
struct request;
struct token;

/* A record that is not safe yet: as JSON for the file, or as the journal's fields. */
struct audit_item {
        struct link link;
        uint64_t number, put_usec;
        struct request *request; /* that waits for it; NULL: none does */
        struct job *job;         /* of a oneway that has gone: waits for it; NULL: none does */
        bool sent;
        size_t length;
        char data[];
};

struct audit {
        struct broker *broker;
        enum audit_mode mode;
        bool required;
        char *path; /* of the file */

        bool ok; /* records are kept; reason: why not */
        char reason[256];
        uint64_t since_usec;        /* wall clock: of ok */
        uint64_t lost, lost_before; /* records given up here, and how many of them when ok was lost */
        uint64_t last_number, last_request;

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
        uint64_t seq, signed_seq, signed_usec, state_lost;
};

/* Connects to the journal, before the process is closed in. Records nothing until audit_configure(). */
int audit_start(struct broker *broker);
void audit_stop(struct broker *broker);
/* Follows the broker's configuration. */
void audit_configure(struct broker *broker);
/* A channel to tokend-audit, taken over. */
int audit_attach(struct broker *broker, int fd);
/* Another socket that is connected to journald, taken over. */
void audit_journal_attach(struct broker *broker, int fd);
/* Sends what was put. Whoever is released by that is touched. */
void audit_flush(struct broker *broker);
/* What is overdue; returns when to come again. */
uint64_t audit_tick(struct broker *broker, uint64_t now);

/* ---- hooks ---- */

/* Whether nothing may be done, because nothing can be recorded. */
bool audit_refuses(const struct broker *broker);
/* The request is about to hand the job to a token. true: the job is taken, and goes on when its record is safe. */
bool audit_begins(struct request *request, struct token *token, struct job *job);
/* The request is done or has failed. It may have to wait from now on (request->audit). */
void audit_over(struct request *request);
/* The request goes; its job may live on, and is recorded then (audit_job_over()). One that is held goes on without it where it
 * is a oneway's, else it is dropped, and that is recorded. */
void audit_forgets(struct request *request);
/* The job is about to be sent once more. */
void audit_repeats(struct job *job);
/* A job ended whose request had gone, or had been answered, before. */
void audit_job_over(struct job *job, const struct job_result *result);
/* The answer that the request gets is not the job's last word. */
void audit_job_detaches(struct request *request, struct job *job);
void audit_login(struct token *token, bool ok, const char *reason);

/* ---- the status ---- */
/* Records given up, here and by tokend-audit. */
uint64_t audit_lost(const struct audit *audit);
/* For a struct output_part: io.tokend.Status.Audit. userdata: the broker. */
void audit_put_status(struct output *output, void *userdata);

/* ---- inside the module ---- */

/* Adds a record. request: waits for it; NULL: nobody. -ENOBUFS, -ENOMEM, -EMSGSIZE: it is lost, and counted. */
int audit_put(struct audit *audit, const struct audit_record *record, struct request *request);
/* The job that an item had: it is handed to its token, or (may: false) its end is recorded. */
void audit_job_goes_on(struct audit *audit, struct job *job, bool may);
void audit_job_dropped(struct audit *audit, struct job *job);
/* Whether what the request gives is withheld where it could not be recorded: it has changed nothing. */
bool audit_withholds(const struct request *request);
/* All items up to number: they are safe, or will not be as far as is known. */
void audit_settle(struct audit *audit, uint64_t number, bool safe);
/* Tells the log, and the journal where it can be told. */
void audit_set_ok(struct audit *audit, bool ok, const char *reason);
/* When the first record that is not safe has taken too long. */
uint64_t audit_overdue_usec(const struct audit *audit);
/* Whoever waits for the item goes on. */
void audit_release(struct audit *audit, struct audit_item *item, bool safe);

void sink_flush(struct audit *audit);
/* Everything that is sent to nobody any more is to be sent again. */
void sink_unsend(struct audit *audit);
uint64_t sink_tick(struct audit *audit, uint64_t now);
void sink_close(struct audit *audit);
/* Best effort: an alert. */
void sink_alert(struct audit *audit, const struct audit_record *record);

/* Answers HEAD, sooner or later. */
void audit_head(struct audit *audit, const struct message_head *head);
void audit_head_answer(struct audit *audit, const struct message_head_signed *answer);
