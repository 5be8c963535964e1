/* SPDX-License-Identifier: MPL-2.0 */
/* From the bytes of one message to a request of the connection. */
#pragma once

#include "daemon/broker/op/op.h"

/* Appends the op that the message asks for, or one that has already failed. 1: the text is not a message. -ENOMEM. */
int dispatch(struct client *client, char *text, size_t length);

/* What came is not a message: appends an op that says so in its turn. Nothing is read behind it. -ENOMEM. */
int dispatch_broken(struct client *client);
