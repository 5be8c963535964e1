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

/* The nickname of an object, empty if it has none that can be listed, and in *flags the bits that come of
 * joining. A private key without a label has the nickname of a certificate of its CKA_ID, but only of one
 * that is for exactly its public key: docs/names-of-keys.md. */
const char *join_names(const struct index *index, const struct object *object, unsigned *flags);
