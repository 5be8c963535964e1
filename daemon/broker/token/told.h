/* SPDX-License-Identifier: MPL-2.0 */
/* What a worker tells of its token, beside its replies: who the token is, its objects, the claims on it, the sessions. As long as
 * the worker does not serve, that is kept with the worker. A worker is not trusted. */
#pragma once

#include "daemon/broker/model/context.h"
#include "daemon/broker/model/token.h"

/* A message, its type taken off. -errno: it was not taken; -EBADMSG: it cannot be. */
int told_take(struct worker *worker, enum message_type type, struct wire *wire);
