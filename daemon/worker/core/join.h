/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What objects say of each other: a private key has its public half from its public key or its certificate, and may
 * have its nickname from the latter. The CKA_ID joins them; where it does not, the label. Private to inventory.c,
 * refresh.c and entries.c; the caller holds the inventory's lock or its renewal.
 */
#pragma once

#include "daemon/worker/core/index.h"

/* Finds the public halves of the private keys in index, which becomes the inventory's; those that are in the
 * inventory already are changed under its lock. Errors as in session.h. */
int join_halves(struct session *session, struct inventory *inventory, const struct index *index);

/* Whether the public key is the key's other half although its CKA_ID does not say so: it has the key's label, type and size (and its
 * bits, where they are known), and no other private key claims it, by its id or by its label. */
bool join_by_label(const struct index *index, const struct object *key, const struct object *public);

struct joined {
        const char *nickname; /* the object's, or a certificate's; "" if it has none that can be listed */
        unsigned flags;       /* the object's own, and those that come of joining */
        size_t n_others, others_length;
        char others[LIMIT_OTHER_NAMES *
                    (LIMIT_NICKNAME + 1)]; /* other names, each once, each ended by a NUL */
};

/* A private key without a label has the nicknames of the certificates of its CKA_ID, but only of those that are
 * for exactly its public key: docs/names-of-keys.md. The first in the order of the index is the one that is
 * shown. */
void join_names(const struct index *index, const struct object *object, struct joined *ret);
