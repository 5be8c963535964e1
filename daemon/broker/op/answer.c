/* SPDX-License-Identifier: MPL-2.0 */
/* The answer of an op: what it is, its record, and how it is written. Errors are rendered when they happen, which is short;
 * results when their turn has come. */
#include "daemon/broker/audit/records.h"
#include "daemon/broker/op/op.h"
#include "daemon/broker/op/record.h"

/* ---- the answer ---- */

static void on_recorded(struct op *op, bool may)
{
        if (!may && record_is_withheld(op))
                op_fail_unrecorded(op);
        if (op->client)
                client_touch(op->client);
}

/* The answer is known. It changes once at most: where its record cannot be kept. */
void op_done(struct op *op)
{
        op->answered = true;
        if (record_end(op, on_recorded) < 0)
                op_fail_unrecorded(op);
        if (op->state == OP_AT_HAND) {
                op->state = OP_ENDED;
                op->token = op->at = NULL;
        }
        if (op->client)
                client_touch(op->client);
}

void op_fail(struct op *op, enum proto_error error, char *parameters)
{
        op->error = error;
        free(op->error_parameters);
        op->error_parameters = parameters;
        if (op->instance && error != PROTO_PERMISSION_DENIED)
                op->instance->errors++;
        op_done(op);
}

void op_fail_output(struct op *op, enum proto_error error, struct output *output)
{
        output_bytes(output, "", 1);
        if (output->failed) {
                output_done(output);
                /* An error without what it says would be a wrong answer. */
                if (op->client)
                        op->client->gone = true;
        }
        op_fail(op, error, TAKE_PTR(output->data));
}

void op_fail_with_two(struct op *op, enum proto_error error, const char *name, const char *value,
        const char *name_2, const char *value_2)
{
        struct output output = {0};

        output_text(&output, "{");
        output_pair(&output, name, value);
        if (name_2)
                output_pair(&output, name_2, value_2);
        output_text(&output, "}");
        op_fail_output(op, error, &output);
}

void op_fail_with(struct op *op, enum proto_error error, const char *name, const char *value)
{
        op_fail_with_two(op, error, name, value, NULL, NULL);
}

bool op_invalid(struct op *op, const char *parameter, const char *reason)
{
        op_fail_with_two(op, PROTO_INVALID_PARAMETER, "parameter", parameter, "reason", reason);
        return false;
}

void op_fail_unrecorded(struct op *op)
{
        const struct audit *audit = op->broker->audit;

        op_fail_with(op, PROTO_AUDIT_UNAVAILABLE, "reason",
                audit->reason[0] ? audit->reason : "the record could not be kept in time");
}

/* ---- the reply ---- */

static void put_error(const struct op *op, struct output *output)
{
        const char *interface = "org.varlink.service";

        if (!proto_error_is_service(op->error) && op->method)
                interface = op->method->interface;
        output_format(output, "{\"error\":\"%s.%s\",\"parameters\":", interface, proto_error_name(op->error));
        output_text(output, op->error_parameters ? op->error_parameters : "{}");
        output_bytes(output, "}", 2);
}

enum render op_render(struct op *op, struct output *output)
{
        size_t before = output_pending(output);
        enum render more = RENDER_LAST;

        /* One reply at most would be of use to nobody; a stream to nobody must not go on. */
        if (op->oneway)
                return RENDER_LAST;
        output->secret |= op->method && op->method->secret;
        if (op->error == PROTO_OK) {
                output_text(output, "{\"parameters\":");
                if (op->method->render)
                        more = op->method->render(op, output);
                else
                        output_text(output, "{}");
                if (more != RENDER_FAILED) {
                        output_text(output, more == RENDER_LAST ? "" : ",\"continues\":true");
                        output_bytes(output, "}", 2);
                        return more;
                }
                output->end = output->begin + before;
        }
        put_error(op, output);
        return RENDER_LAST;
}
