/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a claim on a nickname contains, which of two claims comes first, and what follows from what a look
 * saw. docs/claims.md has the protocol and the argument for it. Pure: claims.c and nickname-check.c do what
 * concerns the token.
 */
#pragma once

#include <stdbool.h>

#include "daemon/channel/message.h"

/* CKA_APPLICATION of the data object that a claim is; its CKA_LABEL is the nickname. */
#define CLAIM_APPLICATION "tokend claim"

#define CLAIMANT_LENGTH 32U
#define CLAIM_HOST_MAX  65U /* a host's name (HOST_NAME_MAX) with its NUL */

/* Bytes of CKA_VALUE. */
#define CLAIM_MAX 512U

enum claim_kind {
        CLAIM_PAIR = 1,        /* two objects: a crash may leave one of them */
        CLAIM_CERTIFICATE = 2, /* one object */
        CLAIM_PAIR_OF_ID = 3,  /* a pair whose id the client chose: others may have it */
        CLAIM_NAME =
                4, /* a key that was there gets the nickname: a crash may leave the old one on its public half */
        CLAIM_SECRET = 5, /* one object */
        CLAIM_KIND_MAX_,
};

struct claim_record {
        uint8_t claimant[CLAIMANT_LENGTH];
        uint64_t number; /* random, drawn for each request */
        enum claim_kind kind;
        uint8_t id[LIMIT_KEY_ID]; /* CKA_ID of what is to be created */
        size_t id_length;
        /* For people; no decision depends on these. */
        char host[CLAIM_HOST_MAX];
        uint64_t since_usec;
};

/* Writes the bytes of CKA_VALUE; returns their number. */
size_t claim_record_encode(const struct claim_record *claim, uint8_t ret[static CLAIM_MAX]);
/* false: this build cannot read it. */
bool claim_record_decode(const uint8_t *data, size_t length, struct claim_record *ret);

/* Whether claimant and number are those of ours. */
bool claim_record_is(const struct claim_record *claim, struct wire_bytes claimant, uint64_t number);
/* Whether the claim comes before that of this claimant and number: the lower number first, then the lower
 * claimant. */
bool claim_record_is_lower(const struct claim_record *claim, struct wire_bytes claimant, uint64_t number);

/* After so many looks that saw only higher claims a request gives way to those too. Whoever lives has
 * withdrawn its claim by then; a claim that a crash left stays. */
#define CLAIM_LOOKS_MAX 10U

enum claim_step {
        CLAIM_CREATE, /* nothing was seen: create */
        CLAIM_TAKEN,  /* an object has the nickname: NicknameExists */
        CLAIM_YIELD,  /* withdraw, and wait without a claim */
        CLAIM_STAY,   /* keep the claim, and look again after a pause */
        CLAIM_BLIND,  /* the look did not see our own claim: it proves nothing */
};

/* seen: mask of enum seen, what the n_looks-th look (from 1) saw. written: a claim of ours lies on the
 * token. */
enum claim_step claim_decide(unsigned seen, bool written, unsigned n_looks);
