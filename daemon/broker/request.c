/* SPDX-License-Identifier: MPL-2.0 */
/* See request.h. Errors are rendered when they happen, which is short; results when their turn has come. */
#include "daemon/broker/request.h"

#include <json-c/json.h>
#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"

/* Denials that are logged in this time; the others are counted. */
#define LOG_USEC (10 * USEC_PER_SEC)
#define LOG_MAX  10U

struct request *request_new(struct connection *connection, const struct method *method,
        struct json_object *message, size_t n_bytes)
{
        struct request *request = calloc(1, sizeof(*request) + (method ? method->parameters_size : 0));

        if (!request) {
                json_object_put(message);
                return NULL;
        }
        request->connection = connection;
        request->method = method;
        request->message = message;
        request->n_bytes = n_bytes;
        request->received_usec = now_usec();
        request->deadline_usec = request->received_usec + DEFAULT_TIMEOUT_MS * USEC_PER_MSEC;
        link_append(&connection->requests, &request->link);
        connection->n_requests++;
        connection->n_bytes += n_bytes;
        if (connection->listener->kind == LISTEN_KEYS && connection->instance) {
                request->instance = connection->instance;
                request->instance->n_requests++;
                request->instance->requests++;
        }
        return request;
}

static void listing_free(struct listing *listing)
{
        if (!listing)
                return;
        for (size_t i = listing->at; i < listing->n; i++)
                entry_unref(listing->entries[i]);
        free(listing);
}

void request_free(struct request *request)
{
        struct connection *connection = request->connection;

        audit_forgets(request);
        if (request->job && (request->oneway || job_is_under_way(request->job) || job_changes(request->job)))
                audit_job_detaches(request, request->job);
        if (request->job && request->oneway)
                request->job->done = NULL;
        else if (request->job)
                token_cancel(request->job);
        if (request->instance)
                request->instance->n_requests--;
        connection->n_requests--;
        connection->n_bytes -= request->n_bytes;
        link_remove(&request->link);
        if (request->method)
                fields_done(request->method->fields, request->method->n_fields, request->parameters);
        json_object_put(request->message);
        listing_free(request->listing);
        entry_unref(request->entry);
        free(request->error_parameters);
        free(request->payload);
        free(request->held_token);
        free(request->text);
        free(request);
}

void request_begin(struct request *request)
{
        request->begun = true;
        if (!request->done)
                request->method->begin(request);
}

/* ---- the end ---- */

void request_done(struct request *request)
{
        request->done = true;
        audit_over(request);
        connection_touch(request->connection);
}

void request_fail(struct request *request, enum proto_error error, char *parameters)
{
        request->error = error;
        free(request->error_parameters);
        request->error_parameters = parameters;
        if (request->instance && error != PROTO_PERMISSION_DENIED)
                request->instance->errors++;
        request_done(request);
}

/* Takes the text out of an output that holds one JSON object. */
static char *take_text(struct output *output)
{
        output_bytes(output, "", 1);
        if (output->failed) {
                output_done(output);
                return NULL;
        }
        return TAKE_PTR(output->data);
}

static void put_member(struct output *output, const char *name, const char *value)
{
        output_text(output, output_pending(output) ? "," : "{");
        output_string(output, name);
        output_text(output, ":");
        output_string(output, value);
}

static void fail_with_two(struct request *request, enum proto_error error, const char *name,
        const char *value, const char *name_2, const char *value_2)
{
        struct output output = {0};

        put_member(&output, name, value);
        if (name_2)
                put_member(&output, name_2, value_2);
        output_text(&output, "}");
        request_fail(request, error, take_text(&output));
}

void request_fail_with(struct request *request, enum proto_error error, const char *name, const char *value)
{
        fail_with_two(request, error, name, value, NULL, NULL);
}

void request_invalid(struct request *request, const char *parameter)
{
        request_fail_with(request, PROTO_INVALID_PARAMETER, "parameter", parameter);
}

static void log_denial(struct request *request, const char *operation)
{
        struct connection *c = request->connection;
        struct broker *broker = c->broker;

        if (request->received_usec - broker->log_usec >= LOG_USEC) {
                if (broker->n_unlogged > 0)
                        log_notice("%u other requests were denied", broker->n_unlogged);
                broker->log_usec = request->received_usec;
                broker->n_logged = broker->n_unlogged = 0;
        }
        if (broker->n_logged >= LOG_MAX) {
                broker->n_unlogged++;
                return;
        }
        broker->n_logged++;
        log_notice("denied: %s, to %s%s (uid %u, pid %d)", operation,
                request->instance ? "instance " : "a caller of no instance",
                request->instance ? request->instance->name : "", (unsigned)c->caller.uid,
                (int)c->caller.pid);
}

void request_denied(struct request *request, const char *operation)
{
        if (request->instance)
                request->instance->denied++;
        else
                request->connection->broker->strangers_denied++;
        log_denial(request, operation);
        request_fail_with(request, PROTO_PERMISSION_DENIED, "operation", operation);
}

/* What the caller is told of a token that is not ready. A death that the supervisor has not told of yet
 * counts. */
static void fail_unavailable(struct request *request, const struct token *token)
{
        static const char *const states[TOKEN_STATE_MAX_] = {
                [TOKEN_STARTING] = "starting",
                [TOKEN_READY] = "recovering",
                [TOKEN_RECOVERING] = "recovering",
                [TOKEN_FAILED] = "failed",
        };
        struct output output = {0};

        put_member(&output, "token", token->name);
        put_member(&output, "state", states[token->state]);
        put_member(&output, "reason", token->reason);
        output_text(&output, "}");
        request_fail(request, PROTO_TOKEN_UNAVAILABLE, take_text(&output));
}

static void fail_late(struct request *request, const struct token *token, bool executed)
{
        struct output output = {0};

        put_member(&output, "token", token->name);
        output_format(&output, ",\"executed\":%s}", executed ? "true" : "false");
        request_fail(request, PROTO_DEADLINE_EXCEEDED, take_text(&output));
}

static void fail_overloaded(struct request *request, const struct token *token)
{
        struct output output = {0};

        put_member(&output, "token", token->name);
        output_format(&output, ",\"retryAfterMs\":%u}", token_retry_ms(token));
        request_fail(request, PROTO_OVERLOADED, take_text(&output));
}

static void fail_token(struct request *request, const struct token *token, uint64_t ckr)
{
        char text[CKR_TEXT];

        fail_with_two(request, PROTO_TOKEN_ERROR, "token", token->name, "ckr", ckr_text(ckr, text));
}

void request_fail_unrecorded(struct request *request)
{
        const struct audit *audit = request->connection->broker->audit;

        request_fail_with(request, PROTO_AUDIT_UNAVAILABLE, "reason",
                audit->reason[0] ? audit->reason : "the record could not be kept in time");
}

/* What the worker refused. text: begins with the parameter's name where that is not the one it must be. */
static void fail_invalid(struct request *request, const char *text)
{
        const char *colon = strchr(text, ':');

        for (size_t i = 0; colon && i < request->method->n_fields; i++) {
                const char *name = request->method->fields[i].name;

                if (strlen(name) != (size_t)(colon - text) || strncmp(name, text, strlen(name)) != 0)
                        continue;
                if (strcmp(name, "certificate") == 0)
                        request_fail_with(
                                request, PROTO_NOT_A_CERTIFICATE, "reason", colon + 1 + (colon[1] == ' '));
                else
                        request_invalid(request, name);
                return;
        }
        request_invalid(request, request->invalid ? request->invalid : "message");
}

void request_fail_job(struct request *request, struct token *token, const struct job_result *result)
{
        switch (result->end) {
        case JOB_OK:
        case JOB_DROPPED:
        case JOB_CKR:
                fail_token(request, token, result->ckr);
                break;
        case JOB_NO_MEMORY:
                fail_token(request, token, 2 /* CKR_HOST_MEMORY */);
                break;
        case JOB_KEY_GONE:
                if (request->of_certificate)
                        request_fail_with(request, PROTO_CERTIFICATE_NOT_FOUND, "certificate", request->key);
                else
                        request_fail_with(request, PROTO_KEY_NOT_FOUND, "key", request->key);
                break;
        case JOB_NICKNAME_EXISTS:
                fail_with_two(request, PROTO_NICKNAME_EXISTS, "token", token->name, "nickname",
                        request->nickname ? request->nickname : request->key);
                break;
        case JOB_NOT_SUPPORTED:
                fail_with_two(request, PROTO_ALGORITHM_NOT_SUPPORTED, "key", request->key, "algorithm",
                        request->algorithm);
                break;
        case JOB_INVALID:
                fail_invalid(request, result->text ? result->text : "");
                break;
        case JOB_FULL:
                fail_overloaded(request, token);
                break;
        case JOB_UNAVAILABLE:
                fail_unavailable(request, token);
                break;
        case JOB_REMOVED:
                request_fail_with(request, PROTO_TOKEN_NOT_FOUND, "token", token->name);
                break;
        case JOB_DEADLINE:
        case JOB_DEADLINE_EXECUTED:
                fail_late(request, token, result->end == JOB_DEADLINE_EXECUTED);
                break;
        case JOB_WORKER_LOST:
                request_fail_with(request, PROTO_WORKER_LOST, "token", token->name);
                break;
        case JOB_UNRECORDED:
                request_fail_unrecorded(request);
                break;
        case JOB_OUTCOME_UNKNOWN:
                fail_with_two(request, PROTO_OUTCOME_UNKNOWN, "token", token->name, "operation",
                        request->method->right ? config_right_name(request->method->right) : "remove-claim");
                break;
        }
}

/* ---- the reply ---- */

static void put_error(struct request *request, struct output *output)
{
        const char *interface = "org.varlink.service";

        if (!proto_error_is_service(request->error) && request->method)
                interface = request->method->interface;
        output_format(
                output, "{\"error\":\"%s.%s\",\"parameters\":", interface, proto_error_name(request->error));
        output_text(output, request->error_parameters ? request->error_parameters : "{}");
        output_bytes(output, "}", 2);
}

enum render request_render(struct request *request, struct output *output)
{
        size_t before = output_pending(output);
        enum render more = RENDER_LAST;

        /* One reply at most would be of use to nobody; a stream to nobody must not go on. */
        if (request->oneway)
                return RENDER_LAST;
        if (request->error == PROTO_OK) {
                output_text(output, "{\"parameters\":");
                if (request->method->render)
                        more = request->method->render(request, output);
                else
                        output_text(output, "{}");
                if (more != RENDER_FAILED) {
                        output_text(output, more == RENDER_LAST ? "" : ",\"continues\":true");
                        output_bytes(output, "}", 2);
                        return more;
                }
                output->end = output->begin + before;
        }
        put_error(request, output);
        return RENDER_LAST;
}
