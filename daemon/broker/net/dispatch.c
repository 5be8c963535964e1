/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See dispatch.h. The table of methods and the tables of their parameters are made from the interface files
 * (proto/generate); a method's functions are in one of method-*.c. What is wrong with a message is answered
 * here, so a method's begin sees only parameters that its table allows.
 */
#include "daemon/broker/net/dispatch.h"

#include <string.h>

#include "proto/envelope.h"
#include "proto/json.h"

/* Names in a client's message that are longer are not repeated to it. */
#define REPEAT_MAX 256U

static bool is_on(const struct method *method, enum listen_kind kind)
{
        return method->socket & (kind == LISTEN_KEYS ? ON_KEYS : ON_STATUS);
}

/* Whether a method of that interface is served, and of a whole name: which. length: of the interface in name. */
static const struct method *find(const struct client *client, const char *name, size_t length, bool whole)
{
        for (size_t i = 0; i < client->broker->n_methods; i++) {
                const struct method *method = &client->broker->methods[i];

                if (is_on(method, client->kind) && strlen(method->interface) == length &&
                        strncmp(name, method->interface, length) == 0 &&
                        (!whole || strcmp(name + length + 1, method->name) == 0))
                        return method;
        }
        return NULL;
}

static const struct method *find_method(const struct client *client, const char *name)
{
        const char *dot = strrchr(name, '.');

        return dot ? find(client, name, (size_t)(dot - name), true) : NULL;
}

static void not_found(struct op *op, const char *name)
{
        const char *dot = strrchr(name, '.');
        char interface[REPEAT_MAX + 1];

        if (dot && (size_t)(dot - name) < sizeof(interface) &&
                !find(op->client, name, (size_t)(dot - name), false)) {
                memcpy(interface, name, (size_t)(dot - name));
                interface[dot - name] = '\0';
                op_fail_with(op, PROTO_INTERFACE_NOT_FOUND, "interface", interface);
                return;
        }
        op_fail_with(op, PROTO_METHOD_NOT_FOUND, "method", name);
}

static void invalid_field(struct op *op, const struct field_fault *fault)
{
        op_invalid(op, strlen(fault->name) <= REPEAT_MAX ? fault->name : "parameters", fault->reason);
}

/* The method's parameters into the request's struct, or the request's failure. */
static int take_parameters(struct op *op, const struct envelope *envelope)
{
        const struct method *method = op->method;
        struct field_fault fault;
        int r;

        op->oneway = envelope->oneway;
        op->more = envelope->more;
        if (envelope->upgrade) {
                op_fail_with(op, PROTO_METHOD_NOT_IMPLEMENTED, "method", envelope->method);
                return 0;
        }
        if (!method) {
                not_found(op, envelope->method);
                return 0;
        }
        if (method->right && !op->instance) {
                /* Do not reveal parameter errors to callers that have no rights at all. */
                op_denied(op, config_right_name(method->right), DENIAL_NO_INSTANCE);
                return 0;
        }
        r = fields_parse(
                method->fields, method->n_fields, envelope->parameters, true, op->parameters, &fault);
        if (r == 1)
                invalid_field(op, &fault);
        return r < 0 ? r : 0;
}

/* What nothing will read is not kept while the request waits: of the message its parameters, of a request that has failed
 * nothing. A message of 8 KiB can unfold to 4 MiB, but parameters that were accepted are as few as their table says. */
static void keep_parameters(struct op *op, struct json_object *parameters)
{
        struct json_object *message = op->message;

        if (op->answered)
                op_wipe(op);
        op->message = op->answered ? NULL : json_object_get(parameters);
        json_object_put(message);
}

/* What was not read is answered as one that is no message. */
static int refuse(struct client *client, size_t length)
{
        struct op *op = op_receive(client, NULL, NULL, length);

        if (!op)
                return -ENOMEM;
        client->broker->requests_broken++;
        op_invalid(op, "message", "expected a JSON object in UTF-8 within the limits of docs/protocol.md");
        return 0;
}

int dispatch(struct client *client, char *text, size_t length)
{
        const struct method *method = NULL;
        struct envelope envelope = {0};
        struct json_object *message;
        struct op *op;
        struct field_fault fault;
        bool stranger = client->kind == LISTEN_KEYS && !client->instance;
        int r = stranger && length > LIMIT_STRANGER_MESSAGE ? -EBADMSG : 0, r_envelope;

        /* Who may call next to nothing pays before anything is built. */
        if (r == 0)
                r = json_parse_bounded(text, length,
                        stranger ? LIMIT_STRANGER_CONTAINERS : LIMIT_REQUEST_CONTAINERS, &message);
        if (r == -E2BIG && !stranger)
                return refuse(client, length);
        if (r < 0)
                return r == -ENOMEM ? r : 1;
        /* Members that varlink may come to have are not ours to refuse. */
        r_envelope = fields_parse(envelope_fields, N_ENVELOPE_FIELDS, message, false, &envelope, &fault);
        if (r_envelope == 0)
                method = find_method(client, envelope.method);
        op = op_receive(client, method, message, length);
        if (!op || r_envelope < 0)
                return -ENOMEM;
        if (r_envelope == 1)
                invalid_field(op, &fault);
        else
                r = take_parameters(op, &envelope);
        keep_parameters(op, envelope.parameters);
        if (method && method->secret)
                explicit_bzero(text, length);
        return r;
}

int dispatch_broken(struct client *client)
{
        return refuse(client, 0);
}
