/* SPDX-License-Identifier: MPL-2.0 */
/* What a worker tells of its token, beside its replies: who the token is, its objects, the claims on it, the sessions. As long as
 * the worker does not serve, that is kept with the worker. A worker is not trusted.
 *
 * What a renewal tells while the worker serves comes into force as a whole, with its SETTLED: so nobody sees a token between two of
 * its changes, such as a certificate that is gone and the one in its place that is not there yet. */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/broker/model/token.h"

/* A message, its type taken off. -errno: it was not taken; -EBADMSG: it cannot be. */
/* -ENOSPC: there are more objects than are kept. */
int told_take(struct worker *worker, enum message_type type, struct wire *wire);

/* Forgets a renewal that has no SETTLED: its worker is gone. */
void told_forget(struct worker *worker);
