/* SPDX-License-Identifier: MPL-2.0 */
/*
 * When the head of the chain is to be signed, whether a signature is on its way, and up to which record the chain is signed.
 * Sends nothing and writes nothing: audit-server.c does. Time is passed in.
 */
#pragma once

#include "daemon/audit/signed-head.h"

struct signer {
        uint64_t interval_usec; /* 0: there is no AuditKey= */
        uint64_t next_usec;     /* not before */
        struct chain head;      /* asked for */
        uint64_t until_usec;    /* until when its answer is waited for; 0: no answer is due */
        bool owed;              /* HEAD is to be sent */
        uint64_t signed_seq, signed_wall_usec;
};

void signer_set_interval(struct signer *signer, uint64_t interval_usec, uint64_t now_usec);

/* Whether records follow the signed head, not counting the record of its signature. */
bool signer_has_unsigned(const struct signer *signer, const struct chain *chain);

/* Asks for a signature of the chain's head now. */
void signer_ask(struct signer *signer, const struct chain *chain, uint64_t now_usec);

/* The broker that was asked is gone. */
void signer_forget(struct signer *signer);

/* Gives up an answer that did not come in time, and asks for a signature when it is time. can: there is a broker to ask. */
void signer_step(struct signer *signer, const struct chain *chain, bool can, uint64_t now_usec);

/* When signer_step() has something to do; USEC_NEVER. */
uint64_t signer_next(const struct signer *signer, const struct chain *chain, bool can);

/* An answer came: its record into ret. 1: it answers no open question; 2: it brings no signature, and *ret_reason says why. */
int signer_take(struct signer *signer, const struct message_head_signed *answer, uint64_t now_usec,
        char ret[static LIMIT_AUDIT_RECORD + 1], size_t *ret_length, const char **ret_reason);

/* That record is on the disk. */
void signer_done(struct signer *signer);
