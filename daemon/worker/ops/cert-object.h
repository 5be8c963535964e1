/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A certificate as an object on the token: written, and put in the place of others. It is written so that NSS, certutil and
 * pkcs11-tool find it under its nickname, and its key by its id, and so that it lends its nickname to no other key or certificate
 * (docs/names-of-keys.md). For cert-store.c, under its claim.
 */
#pragma once

#include "daemon/worker/ops/cert-store.h"

/* Writes it, where it is not there, and then removes those that it replaces: so one of them is there at every moment. While the
 * caller holds the inventory (inventory_hold()) nobody is told of a moment between. May run again. Errors as in session.h; after one
 * of class request or busy nothing of it is left, unless an old one is gone. */
int cert_object_put(struct operation *operation, const struct cert_store *store);

/* Removes what cert_object_put() may have written, unless an old one may be gone by now. request: a struct cert_store. Errors as in
 * session.h. */
int cert_object_take_back(struct operation *operation, const void *request);
