/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See dispatch.h. The table of methods and the tables of their parameters are made from the interface files
 * (proto/generate); a method's functions are in one of method-*.c. What is wrong with a message is answered
 * here, so a method's begin sees only parameters that its table allows.
 */
#include "daemon/broker/dispatch.h"

#include <string.h>

#include "gen/broker/methods.h"
#include "proto/envelope.h"
#include "proto/json.h"

/* Names in a client's message that are longer are not repeated to it. */
#define REPEAT_MAX 256U

static bool is_on(const struct method *method, enum listen_kind kind)
{
        return method->socket & (kind == LISTEN_KEYS ? ON_KEYS : ON_STATUS);
}

bool dispatch_serves(enum listen_kind kind, const char *interface)
{
        for (size_t i = 0; i < N_METHODS; i++)
                if (is_on(&method_table[i], kind) && strcmp(method_table[i].interface, interface) == 0)
                        return true;
        return false;
}

static const struct method *find_method(enum listen_kind kind, const char *name)
{
        for (size_t i = 0; i < N_METHODS; i++) {
                size_t n = strlen(method_table[i].interface);

                if (is_on(&method_table[i], kind) && strncmp(name, method_table[i].interface, n) == 0 &&
                        name[n] == '.' && strcmp(name + n + 1, method_table[i].name) == 0)
                        return &method_table[i];
        }
        return NULL;
}

static void not_found(struct request *request, const char *name)
{
        const char *dot = strrchr(name, '.');
        char interface[REPEAT_MAX + 1];

        if (dot && (size_t)(dot - name) < sizeof(interface)) {
                memcpy(interface, name, (size_t)(dot - name));
                interface[dot - name] = '\0';
                if (!dispatch_serves(request->connection->listener->kind, interface)) {
                        request_fail_with(request, PROTO_INTERFACE_NOT_FOUND, "interface", interface);
                        return;
                }
        }
        request_fail_with(request, PROTO_METHOD_NOT_FOUND, "method", name);
}

static void invalid_field(struct request *request, const char *bad)
{
        request_invalid(request, strlen(bad) <= REPEAT_MAX ? bad : "parameters");
}

/* The method's parameters into the request's struct, or the request's failure. */
static int take_parameters(struct request *request, const struct envelope *envelope)
{
        const struct method *method = request->method;
        const char *bad = NULL;
        int r;

        request->oneway = envelope->oneway;
        request->more = envelope->more;
        if (envelope->upgrade) {
                request_fail_with(request, PROTO_METHOD_NOT_IMPLEMENTED, "method", envelope->method);
                return 0;
        }
        if (!method) {
                not_found(request, envelope->method);
                return 0;
        }
        if (method->right && !request->instance) {
                /* One who may nothing is told no more than that. */
                request_denied(request, config_right_name(method->right));
                return 0;
        }
        r = fields_parse(
                method->fields, method->n_fields, envelope->parameters, true, request->parameters, &bad);
        if (r == 1)
                invalid_field(request, bad);
        return r < 0 ? r : 0;
}

/* What nothing will read is not kept while the request waits: of the message its parameters, of a request that has failed
 * nothing. A message of 8 KiB can unfold to 4 MiB, but parameters that were accepted are as few as their table says. */
static void keep_parameters(struct request *request, struct json_object *parameters)
{
        struct json_object *message = request->message;

        request->message = request->done ? NULL : json_object_get(parameters);
        json_object_put(message);
}

int dispatch(struct connection *connection, char *text, size_t length)
{
        const struct method *method = NULL;
        struct envelope envelope = {0};
        struct json_object *message;
        struct request *request;
        const char *bad = NULL;
        int r = json_parse(text, length, &message), r_envelope;

        if (r < 0)
                return r == -ENOMEM ? r : dispatch_broken(connection);
        /* Members that varlink may come to have are not ours to refuse. */
        r_envelope = fields_parse(envelope_fields, N_ENVELOPE_FIELDS, message, false, &envelope, &bad);
        if (r_envelope == 0)
                method = find_method(connection->listener->kind, envelope.method);
        request = request_new(connection, method, message, length);
        if (!request || r_envelope < 0)
                return -ENOMEM;
        if (r_envelope == 1)
                invalid_field(request, bad);
        else
                r = take_parameters(request, &envelope);
        keep_parameters(request, envelope.parameters);
        return r;
}

int dispatch_broken(struct connection *connection)
{
        struct request *request = request_new(connection, NULL, NULL, 0);

        if (!request)
                return -ENOMEM;
        connection->broken = true;
        connection->broker->requests_broken++;
        request_invalid(request, "message");
        return 0;
}
