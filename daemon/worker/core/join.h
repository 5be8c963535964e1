/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What objects of one CKA_ID say of each other: a private key has its public half from its public key or its
 * certificate, and may have its nickname from the latter. Private to refresh.c, which holds the renewal.
 */
#pragma once

#include "daemon/worker/core/index.h"

/* Finds the public halves of the private keys in index, which becomes the inventory's; those that are in the
 * inventory already are changed under its lock. Errors as in session.h. */
int join_halves(struct session *session, struct inventory *inventory, const struct index *index);

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
