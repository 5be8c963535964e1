/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See dispatch.h. A method is a line of the table, its fields in parameters.c, and a function in one of
 * method-*.c. What a message says that is wrong is answered here, so that a method's begin sees only what its
 * fields allow.
 */
#include "daemon/broker/dispatch.h"

#include <string.h>

#include "daemon/broker/parameters.h"
#include "proto/json.h"

#define SERVICE "org.varlink.service"
#define KEYS    "io.tokend.Keys"
#define CERTS   "io.tokend.Certificates"
#define STATUS  "io.tokend.Status"

/* Names in a client's message that are longer are not repeated to it. */
#define REPEAT_MAX 256U

#define FIELDS(of)                                                                                           \
        .fields = of##_fields, .n_fields = ARRAY_SIZE(of##_fields),                                          \
        .parameters_size = sizeof(struct of##_parameters)
#define METHOD(on, from, method_name) .interface = from, .name = method_name, .socket = on

/* clang-format off */
static const struct method methods[] = {
        {METHOD(ON_KEYS, KEYS, "Sign"), .right = RIGHT_SIGN, .audit = AUDIT_SIGN, .parallel = true, FIELDS(sign),
                .begin = keys_sign, .render = keys_sign_render},
        {METHOD(ON_KEYS, KEYS, "Verify"), .right = RIGHT_VERIFY, .parallel = true, FIELDS(verify),
                .begin = keys_verify, .render = keys_verify_render},
        {METHOD(ON_KEYS, KEYS, "Random"), .right = RIGHT_RANDOM, .parallel = true, FIELDS(random),
                .begin = keys_random, .render = keys_random_render},
        {METHOD(ON_KEYS, KEYS, "Get"), .right = RIGHT_LIST, .parallel = true, FIELDS(get),
                .begin = keys_get, .render = keys_key_render},
        {METHOD(ON_KEYS, KEYS, "List"), .right = RIGHT_LIST, .parallel = true, FIELDS(list),
                .begin = any_list, .render = keys_list_render},
        {METHOD(ON_KEYS, KEYS, "Generate"), .right = RIGHT_GENERATE, .audit = AUDIT_GENERATE, FIELDS(generate),
                .begin = keys_generate, .render = keys_key_render},
        {METHOD(ON_KEYS, KEYS, "Delete"), .right = RIGHT_DELETE, .audit = AUDIT_DELETE, FIELDS(get), .begin = keys_delete},
        {METHOD(ON_KEYS, CERTS, "Get"), .right = RIGHT_LIST, .parallel = true, FIELDS(certificate),
                .begin = certificates_get, .render = certificates_certificate_render},
        {METHOD(ON_KEYS, CERTS, "List"), .right = RIGHT_LIST, .parallel = true, FIELDS(list),
                .begin = any_list, .render = certificates_list_render},
        {METHOD(ON_KEYS, CERTS, "Request"), .right = RIGHT_REQUEST, .audit = AUDIT_REQUEST, FIELDS(cert_request),
                .begin = certificates_request, .render = certificates_request_render},
        {METHOD(ON_KEYS, CERTS, "SelfSign"), .right = RIGHT_IMPORT, .audit = AUDIT_SELF_SIGN, FIELDS(self_sign),
                .begin = certificates_self_sign, .render = certificates_certificate_render},
        {METHOD(ON_KEYS, CERTS, "Import"), .right = RIGHT_IMPORT, .audit = AUDIT_IMPORT, FIELDS(import),
                .begin = certificates_import, .render = certificates_certificate_render},
        {METHOD(ON_KEYS, CERTS, "Delete"), .right = RIGHT_DELETE, .audit = AUDIT_DELETE, FIELDS(certificate), .begin = certificates_delete},
        {METHOD(ON_KEYS, CERTS, "Check"), .right = RIGHT_CHECK, FIELDS(check),
                .begin = certificates_check, .render = certificates_check_render},
        {METHOD(ON_STATUS, STATUS, "Get"), .begin = status_get, .render = status_get_render},
        {METHOD(ON_STATUS, STATUS, "Watch"), FIELDS(watch), .begin = status_watch, .render = status_watch_render},
        {METHOD(ON_STATUS, STATUS, "Metrics"), .begin = status_get, .render = status_metrics_render},
        {METHOD(ON_STATUS, STATUS, "Probe"), .audit = AUDIT_PROBE, FIELDS(probe), .begin = status_probe, .render = status_probe_render},
        {METHOD(ON_STATUS, STATUS, "RemoveClaim"), .audit = AUDIT_DELETE, FIELDS(remove_claim), .begin = status_remove_claim},
        {METHOD(ON_BOTH, SERVICE, "GetInfo"), .begin = service_get_info, .render = service_get_info_render},
        {METHOD(ON_BOTH, SERVICE, "GetInterfaceDescription"), FIELDS(description),
                .begin = service_get_description, .render = service_get_description_render},
};
/* clang-format on */

static bool is_on(const struct method *method, enum listen_kind kind)
{
        return method->socket & (kind == LISTEN_KEYS ? ON_KEYS : ON_STATUS);
}

bool dispatch_serves(enum listen_kind kind, const char *interface)
{
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                if (is_on(&methods[i], kind) && strcmp(methods[i].interface, interface) == 0)
                        return true;
        return false;
}

static const struct method *find_method(enum listen_kind kind, const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
                size_t n = strlen(methods[i].interface);

                if (is_on(&methods[i], kind) && strncmp(name, methods[i].interface, n) == 0 &&
                        name[n] == '.' && strcmp(name + n + 1, methods[i].name) == 0)
                        return &methods[i];
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
        if (r_envelope == 1) {
                invalid_field(request, bad);
                return 0;
        }
        return take_parameters(request, &envelope);
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
