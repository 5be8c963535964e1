/* SPDX-License-Identifier: MPL-2.0 */
/* From the bytes of one message to a request of the connection. */
#pragma once

#include "daemon/broker/request.h"

/* Appends the request that the message is, or one that has already failed. -ENOMEM. */
int dispatch(struct connection *connection, char *text, size_t length);

/* What came cannot be a message: answers so in its turn, and nothing is read behind it. */
int dispatch_broken(struct connection *connection);

/* Whether the socket serves an interface; for GetInfo. */
bool dispatch_serves(enum listen_kind kind, const char *interface);
