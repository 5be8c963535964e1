/* SPDX-License-Identifier: MPL-2.0 */
/* The way of a method's op to a token. */
#pragma once

#include "daemon/broker/op/op.h"

/* Hands the op, whose kind and input are set, to op->token, by way of the records and of an accelerator. then is called with the end
 * in op->end, once. */
void op_submit(struct op *op, void (*then)(struct op *op));

/* An OK that is known without a device, or an error, after no more than the directory was asked. */
void op_refuse(struct op *op, enum op_end end);
