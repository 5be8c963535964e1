/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What goes to an accelerator instead of a key's own token: Verify and Random, and signatures of keys of which it holds a
 * copy. The op is tried there for a share of its time. Whatever becomes of the try, but a right answer, sends the op to its own
 * token, with the deadline that it had: no request fails because an accelerator does.
 */
#pragma once

#include "daemon/broker/op/op.h"

/* Where the op is to be submitted: an accelerator that can do it, and then its route is set; else its own token. */
struct token *route_choose(struct op *op);
