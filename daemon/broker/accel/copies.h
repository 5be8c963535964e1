/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Which keys an accelerator holds copies of, as far as the broker knows, and how they get there: a LOAD, in the
 * background, at a key's first signature. Lists of the accelerator's; each copy holds its key's entry.
 */
#pragma once

#include "daemon/broker/model/token.h"

struct copy {
        struct link link; /* in the accelerator's list */
        struct token *accelerator, *token;
        struct entry *entry; /* of the token's directory; entry->copy is this, as long as both live */
        uint64_t number;     /* the accelerator's */
};

/* Whether the key may be copied to the accelerator of its token: it was made on a token, was never to be read, may leave it
 * wrapped, and signs. */
bool copies_may(const struct token *token, const struct entry *entry);

/* Whether such keys can be made there at all: an accelerator is named, and the module can wrap; of this type, for private keys of
 * Ed25519 have no form of PKCS #8 that the tokens known to us wrap (SoftHSM: CKR_KEY_NOT_WRAPPABLE). */
bool copies_can(const struct token *token, unsigned key_type);

/* Asks for a copy, if that is worth trying now. */
void copies_load(struct token *token, struct token *accelerator, struct entry *entry);

/* The accelerator does not have it any more. */
void copies_lost_one(struct entry *entry);
/* A token's worker is gone. Of an accelerator: so are the copies that it had, and what waits for it can be done elsewhere. */
void copies_on_lost(struct token *token);

/* The token's directory is another, or lacks a key: copies follow their keys, and those without one are destroyed. */
void copies_settle(struct token *token);
/* The token is going. */
void copies_abandon(struct token *token);
