/* SPDX-License-Identifier: MPL-2.0 */
/*
 * When the head of the chain is to be signed, whether a signature is on its way, and up to where the chain is signed.
 * Sends nothing and writes nothing: audit-server.c does. Time is passed in.
 */
#pragma once

#include "daemon/audit/signed-head.h"

struct signer {
        uint64_t interval_usec; /* 0: there is no AuditKey= */
        uint64_t next_usec;     /* not before */
        struct chain head;      /* asked for */
        uint64_t until_usec;    /* until when its answer is waited for; 0: none is out */
        bool owed;              /* HEAD is to be sent */
        uint64_t signed_seq, signed_wall_usec;
};

void signer_set_interval(struct signer *signer, uint64_t interval_usec, uint64_t now_usec);

/* Whether records lie behind the signed head, the record of its signature not counted. */
bool signer_has_unsigned(const struct signer *signer, const struct chain *chain);

/* Asks for a signature of the chain's head now. */
void signer_ask(struct signer *signer, const struct chain *chain, uint64_t now_usec);

/* The broker that was asked is gone. */
void signer_forget(struct signer *signer);

/* Gives up what did not come, and asks when it is time. can: there is somebody to ask. */
void signer_step(struct signer *signer, const struct chain *chain, bool can, uint64_t now_usec);

/* When signer_step() has something to do; USEC_NEVER. */
uint64_t signer_next(const struct signer *signer, const struct chain *chain, bool can);

/* An answer came. Its record into ret, of LIMIT_AUDIT_RECORD + 1 bytes. 1: it is none that is waited for; 2: there is no
 * signature, *ret_reason says why. */
int signer_take(struct signer *signer, const struct message_head_signed *answer, uint64_t now_usec,
        char ret[static LIMIT_AUDIT_RECORD + 1], size_t *ret_length, const char **ret_reason);

/* That record is on the disk. */
void signer_done(struct signer *signer);
