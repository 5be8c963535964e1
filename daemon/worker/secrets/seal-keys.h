/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The two keys of an instance on the token by which its keys are sealed: one that wraps, one that authenticates. They are
 * found in the inventory by their labels, and made under a claim when they are first needed: docs/sealed-keys.md. Errors as in
 * operation.h.
 */
#pragma once

#include "daemon/channel/sealed.h"
#include "daemon/worker/core/operation.h"

struct seal_keys {
        struct inventory_key seal, mac;
        uint8_t seal_id[SEALED_ID], mac_id[SEALED_ID];
};

/* Whether the token has what sealing needs. */
bool seal_keys_can(const struct slot_token *token);

/* The mechanism that wraps as RFC 5649 has it, as the token calls it. */
CK_MECHANISM seal_keys_mechanism(const struct slot_token *token);

/* Those by which this instance seals now; makes them if the token has none. again: an earlier try was answered
 * REPLY_CLAIMED. */
int seal_keys_get(struct operation *operation, const char *instance, bool again, struct seal_keys *ret);

/* Those by which this key was sealed. REPLY_NOT_OUR_SEAL: the token does not have them. */
int seal_keys_of(struct operation *operation, const struct sealed *sealed, struct seal_keys *ret);
