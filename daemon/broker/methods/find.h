/* SPDX-License-Identifier: MPL-2.0 */
/*
 * From the names in a request to tokens, keys and certificates that its caller may see. What is outside of that goes the same
 * way as what is not there, refresh and all. Each calls its continuation when the thing is found, which may be at once; else the
 * op waits, or has failed.
 */
#pragma once

#include "daemon/broker/op/op.h"

/* The key of that name: then op->token and op->entry are set. parameter: where the name stood. */
void find_key(struct op *op, const char *name, const char *parameter, void (*found)(struct op *op));
/* Likewise a certificate: its name is the parameter `certificate`. */
void find_certificate(struct op *op, const char *name, void (*found)(struct op *op));

/* The token of that name (NULL: the caller's own) if the caller may see it: op->token is set. Else false, and the op has failed. */
bool find_token(struct op *op, const char *name);
/* Goes on when the directory of op->token is there. */
void find_directory(struct op *op, void (*found)(struct op *op));
