/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What tokend-audit does with records and orders: brings records to the disk and answers for them, has the head signed,
 * rotates. audit-loop.c receives and waits. One thread; only the disk blocks.
 */
#pragma once

#include "daemon/audit/keeper.h"
#include "daemon/audit/signer.h"
#include "daemon/channel/message.h"

enum record_answer {
        ANSWER_NONE,
        ANSWER_SAFE,
        ANSWER_UNSAFE,
};

struct audit_server {
        int broker_fd, control_fd; /* -1: gone */
        struct keeper keeper;
        bool started; /* AUDIT_START came, keeper is set */
        char *path;
        uint64_t rotate_size;
        struct signer signer;

        /* Answers. No record is received while one is owed: a broker that does not read its answers stops itself. */
        uint64_t last_number; /* of what the present broker sent */
        bool unanswered;      /* records came since the last answer */
        bool refused;         /* of these, at least one was refused: their answer is UNSAFE */
        enum record_answer owed;
        uint64_t owed_number;
        bool owed_state;

        bool rotate; /* as soon as the head is signed, or at rotate_until_usec */
        uint64_t rotate_until_usec, next_rotate_usec;
        uint64_t order_usec,
                next_order_usec; /* when the order for a new file is due (0: there is none); when the next one may be */
        uint64_t rotated_seq; /* the last record of the file that was renamed last; 0: none was */
        unsigned keep_days;
        uint64_t sweep_usec;       /* when old files are looked for */
        uint64_t drain_until_usec; /* 0: no DRAIN came, or DRAINED was sent */
};

/* AUDIT_START. -EPROTO: another version, or another path than before; -errno. */
int audit_server_start(struct audit_server *server, const struct message_audit_start *start);

/* A record of the broker. One that is not what a broker may write (foreign-record.h), or whose number does not rise, is refused. */
void audit_server_record(struct audit_server *server, const struct message_record *record);

/* The broker sent what no honest broker sends. Records that it did, and goes on: a broker that was taken over must not be able to
 * end this process. fault: a sentence without quotes. */
void audit_server_refuse(struct audit_server *server, const char *fault);

/* The answer to HEAD. */
void audit_server_head_signed(struct audit_server *server, const struct message_head_signed *answer);

/* A new file, once the head of this one is signed. */
void audit_server_rotate(struct audit_server *server);

/* Likewise, because somebody says so: once in a second at most. */
void audit_server_order(struct audit_server *server);

/* The head is to be signed until then; then DRAINED is sent. */
void audit_server_drain(struct audit_server *server, uint64_t deadline_usec);

/* Brings what was received to the disk. True: it is there. */
bool audit_server_commit(struct audit_server *server);

/* Sends the broker what it is owed. False: it does not read now. */
bool audit_server_flush(struct audit_server *server);

/* The broker's channel ended, and was read to its end. */
void audit_server_broker_gone(struct audit_server *server);

/* After a record or an order, and at audit_server_next(): commits, has the head signed, rotates, drains. */
void audit_server_step(struct audit_server *server);

/* When audit_server_step() has something to do; USEC_NEVER. */
uint64_t audit_server_next(const struct audit_server *server);

/* Writes what is left, and frees. */
void audit_server_done(struct audit_server *server);
