/* SPDX-License-Identifier: MPL-2.0 */
/* Other hosts' claims on nicknames of one token, as its worker last told: shown in the status, and removed by an
 * operator. Nothing is decided on them here. Pure. */
#pragma once

#include <stdbool.h>

#include "daemon/broker/base/output.h"
#include "daemon/channel/message.h"

struct claim;

struct claims {
        bool known, holds; /* holds: the token takes claims; once it is known */
        size_t n;
        struct claim *list;
};

void claims_done(struct claims *claims);

/* The worker begins to tell which there are. */
void claims_begin(struct claims *claims, const struct message_claims *message);
/* -EBADMSG: it cannot be; -ENOMEM. More than LIMIT_CLAIMS are dropped. */
int claims_add(struct claims *claims, const struct message_claim *message);

bool claims_have(const struct claims *claims, const char *nickname, struct wire_bytes claimant);
/* The nickname of one, from 0; NULL behind the last. */
const char *claims_nickname(const struct claims *claims, size_t i);

/* For a struct output_part: the elements of io.tokend.Status.Token.claims. userdata: the claims. */
void claims_put(struct output *output, void *userdata);
