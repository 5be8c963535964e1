/* SPDX-License-Identifier: MPL-2.0 */
/* See submit.h. */
#include "daemon/broker/methods/submit.h"

#include "daemon/broker/accel/route.h"
#include "daemon/broker/op/record.h"
#include "daemon/broker/token/backlog.h"

/* The instance of now: a reload may have made it another since the request came. */
static void send_off(struct op *op)
{
        if (op->client && op->client->kind == LISTEN_KEYS)
                op_set_instance(op, op->client->instance);
        route_submit(op);
}

/* The record that the op begins is safe, or could not be made so. Meanwhile a reload may have taken the right; a oneway whose
 * client has gone is done as it was let begin. */
static void on_begun(struct op *op, bool may)
{
        if (op->state != OP_HELD)
                return;
        if (!may)
                backlog_end(op, END_UNRECORDED);
        else if (op->client && op->method->right && !op_policy(op))
                backlog_end(op, END_DENIED);
        else {
                _cleanup_(op_unrefp) struct op *held = backlog_take(op);

                send_off(held);
        }
}

void op_submit(struct op *op, void (*then)(struct op *op))
{
        int r = record_begin(op, on_begun);

        op->then = then;
        if (r < 0)
                op_fail_unrecorded(op);
        else if (r == 1)
                backlog_hold(op->token, op);
        else
                send_off(op);
}

void op_refuse(struct op *op, enum op_end end)
{
        op_fail_end(op, op->token, end);
}
