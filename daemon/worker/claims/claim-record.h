/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A claim on a nickname: what stands in it, which of two comes first, and what follows from what a look saw. The protocol
 * and the argument for it are in docs/claims.md. Pure; the token is claims.c's and nickname-check.c's.
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
        CLAIM_PAIR = 1,        /* a crash may leave half of it */
        CLAIM_CERTIFICATE = 2, /* one object: there or not */
};

struct claim_record {
        uint8_t claimant[CLAIMANT_LENGTH];
        uint64_t number; /* random, drawn for each request */
        enum claim_kind kind;
        uint8_t id[LIMIT_KEY_ID]; /* CKA_ID of what is to be made */
        size_t id_length;
        /* For people; nothing is decided on them. */
        char host[CLAIM_HOST_MAX];
        uint64_t since_usec;
};

/* The bytes of CKA_VALUE; their number. */
size_t claim_record_encode(const struct claim_record *claim, uint8_t ret[static CLAIM_MAX]);
/* false: it is none that this build can read. */
bool claim_record_decode(const uint8_t *data, size_t length, struct claim_record *ret);

/* Whether claimant and number are those of ours. */
bool claim_record_is(const struct claim_record *claim, struct wire_bytes claimant, uint64_t number);
/* Whether it comes before ours: by number, then by claimant. */
bool claim_record_is_lower(const struct claim_record *claim, struct wire_bytes claimant, uint64_t number);

/* Looks of one request that may see higher claims alone, before it gives way to those too: whoever lives has withdrawn by
 * then, and a claim that a crash left stays. */
#define CLAIM_LOOKS_MAX 10U

enum claim_step {
        CLAIM_CREATE, /* nothing was seen */
        CLAIM_TAKEN,  /* an object: NicknameExists */
        CLAIM_YIELD,  /* withdraw, and wait without a claim */
        CLAIM_STAY,   /* keep the claim, and look again after a pause */
        CLAIM_BLIND,  /* the look did not see what must be there: it proves nothing */
};

/* seen: mask of enum seen, of the n_looks-th look (from 1). written: a claim of ours lies on the token. */
enum claim_step claim_decide(unsigned seen, bool written, unsigned n_looks);
