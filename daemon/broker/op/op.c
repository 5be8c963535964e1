/* SPDX-License-Identifier: MPL-2.0 */
/* See op.h: the object, and the one way by which it goes on. */
#include "daemon/broker/op/op.h"

#include <string.h>

#include "proto/json.h"

static struct op *make(struct broker *broker, size_t parameters_size)
{
        struct op *op = calloc(1, sizeof(*op) + parameters_size);

        if (!op)
                return NULL;
        op->refs = 1;
        op->broker = broker;
        op->received_usec = now_usec();
        op->deadline_usec = USEC_NEVER;
        link_init(&op->link);
        link_init(&op->in_client);
        link_init(&op->item.link);
        return op;
}

struct op *op_new(struct broker *broker, enum message_type kind)
{
        struct op *op = make(broker, 0);

        if (!op)
                return NULL;
        op->kind = kind;
        op->state = OP_AT_HAND;
        return op;
}

struct op *op_receive(
        struct client *client, const struct method *method, struct json_object *message, size_t n_bytes)
{
        struct op *op = make(client->broker, method ? method->parameters_size : 0);

        if (!op) {
                json_object_put(message);
                return NULL;
        }
        op->client = client;
        op->caller = caller_ref(client->caller);
        op->method = method;
        op->message = message;
        op->n_bytes = n_bytes;
        op->deadline_usec = op->received_usec + DEFAULT_TIMEOUT_MS * USEC_PER_MSEC;
        link_append(&client->ops, &op->in_client);
        client->n_ops++;
        client->n_bytes += n_bytes;
        /* Its strings lie in a tree, and its bytes are decoded. */
        op_charge(op, sizeof(*op) + (method ? method->parameters_size : 0) + 2 * n_bytes);
        if (client->kind == LISTEN_KEYS && client->instance) {
                op->instance = instance_ref(client->instance);
                op->instance->requests++;
        }
        return op;
}

void op_charge(struct op *op, size_t n_bytes)
{
        account_charge(op->caller->account, op->cost, op->cost + n_bytes);
        op->cost += n_bytes;
}

struct op *op_ref(struct op *op)
{
        op->refs++;
        return op;
}

static void listing_free(struct listing *listing)
{
        if (!listing)
                return;
        for (size_t i = listing->at; i < listing->n; i++)
                entry_unref(listing->entries[i]);
        output_done(&listing->unavailable);
        free(listing);
}

void op_unref(struct op *op)
{
        if (!op || --op->refs > 0)
                return;
        if (op->method)
                fields_done(op->method->fields, op->method->n_fields, op->parameters);
        op_wipe(op);
        json_object_put(op->message);
        listing_free(op->listing);
        entry_unref(op->entry);
        entry_unref(op->made);
        for (size_t i = 0; i < op->n_replaced; i++)
                entry_unref(op->replaced[i]);
        free(op->replaced);
        instance_unref(op->instance);
        if (op->caller)
                account_charge(op->caller->account, op->cost, 0);
        caller_unref(op->caller);
        free(op->buffer);
        free(op->error_parameters);
        free(op->result);
        free(op->reply_text);
        free(op);
}

void op_wipe(struct op *op)
{
        if (!op->method || !op->method->secret)
                return;
        json_wipe(op->message);
        if (op->result)
                explicit_bzero(op->result, op->n_result);
        if (op->reply_text)
                explicit_bzero(op->reply_text, strlen(op->reply_text));
}

static void count_answer(const struct op *op)
{
        struct broker *broker = op->broker;

        broker->answers[(size_t)(op->method - broker->methods) * PROTO_ERROR_MAX_ + op->error]++;
        if (op->instance)
                histogram_add(&op->instance->whole, now_usec() - op->received_usec);
}

void op_leave_client(struct op *op)
{
        struct client *client = TAKE_PTR(op->client);

        if (!client)
                return;
        client->n_ops--;
        client->n_bytes -= op->n_bytes;
        link_remove(&op->in_client);
        if (op->answered && op->method)
                count_answer(op);
        op_unref(op);
}

const struct config_instance *op_policy(const struct op *op)
{
        const struct instance *instance = op->client ? op->client->instance : op->instance;

        if (op->as)
                return op->as;
        return instance ? instance->config : NULL;
}

void op_set_instance(struct op *op, struct instance *instance)
{
        struct instance *old = op->instance;

        op->instance = instance_ref(instance);
        instance_unref(old);
}

void op_set_entry(struct op *op, struct entry *entry)
{
        struct entry *old = op->entry;

        op->entry = entry ? entry_ref(entry) : NULL;
        entry_unref(old);
}

int op_replace(struct op *op, struct entry *certificate)
{
        if (op->n_replaced == LIMIT_REPLACED)
                return -E2BIG;
        if (!op->replaced)
                op->replaced = calloc(LIMIT_REPLACED, sizeof(struct entry *));
        if (!op->replaced)
                return -ENOMEM;
        op->replaced[op->n_replaced++] = entry_ref(certificate);
        return 0;
}

void op_settle_replaced(struct op *op)
{
        size_t n = op->n_replaced;

        op->n_replaced = 0;
        for (size_t i = 0; i < n; i++)
                if (op->attempt > 0 && !directory_current(op->token->directory, op->replaced[i]))
                        op->replaced[op->n_replaced++] = op->replaced[i];
                else
                        entry_unref(op->replaced[i]);
}

void op_begin(struct op *op)
{
        _cleanup_(op_unrefp) struct op *held = op_ref(op);

        op->state = OP_AT_HAND;
        if (!op->answered)
                op->method->begin(op);
        if (held->answered && held->state == OP_AT_HAND)
                held->state = OP_ENDED;
}

void op_go_on(struct op *op, enum op_end end)
{
        void (*then)(struct op *) = op_is_tried(op) ? TAKE_PTR(op->route.then) : TAKE_PTR(op->then);

        op->end = end;
        if (then)
                then(op);
}

void client_touch(struct client *client)
{
        link_remove(&client->dirty);
        link_append(&client->broker->dirty, &client->dirty);
}
