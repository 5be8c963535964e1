/* SPDX-License-Identifier: MPL-2.0 */
/* Failures for users: from error replies of the daemon, and of the library itself. Holds no state. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/internal.h"
#include "daemon/util/printable.h"
#include "daemon/util/utf8.h"
#include "proto/error.h"
#include "proto/remedy.h"

/* It is the memory of programs that were built before: a new field takes its room from what is reserved. */
_Static_assert(
        sizeof(void *) != 8 || sizeof(struct tokend_failure) == 2048, "the size of a failure never changes");

/* The numbers of the library never change; those of the table may. */
static const enum tokend_error from_proto[PROTO_ERROR_MAX_] = {
        [PROTO_OK] = TOKEND_OTHER_ERROR,
        [PROTO_KEY_NOT_FOUND] = TOKEND_KEY_NOT_FOUND,
        [PROTO_AMBIGUOUS_NAME] = TOKEND_AMBIGUOUS_NAME,
        [PROTO_TOKEN_NOT_FOUND] = TOKEND_TOKEN_NOT_FOUND,
        [PROTO_NICKNAME_EXISTS] = TOKEND_NICKNAME_EXISTS,
        [PROTO_ALGORITHM_NOT_SUPPORTED] = TOKEND_ALGORITHM_NOT_SUPPORTED,
        [PROTO_PERMISSION_DENIED] = TOKEND_PERMISSION_DENIED,
        [PROTO_TOKEN_UNAVAILABLE] = TOKEND_TOKEN_UNAVAILABLE,
        [PROTO_TOKEN_ERROR] = TOKEND_TOKEN_ERROR,
        [PROTO_OVERLOADED] = TOKEND_OVERLOADED,
        [PROTO_DEADLINE_EXCEEDED] = TOKEND_DEADLINE_EXCEEDED,
        [PROTO_OUTCOME_UNKNOWN] = TOKEND_OUTCOME_UNKNOWN,
        [PROTO_WORKER_LOST] = TOKEND_WORKER_LOST,
        [PROTO_CERTIFICATE_NOT_FOUND] = TOKEND_CERTIFICATE_NOT_FOUND,
        [PROTO_NOT_A_CERTIFICATE] = TOKEND_NOT_A_CERTIFICATE,
        [PROTO_SECRET_NOT_FOUND] = TOKEND_SECRET_NOT_FOUND,
        [PROTO_NOT_OUR_SEAL] = TOKEND_NOT_OUR_SEAL,
        [PROTO_CLAIM_NOT_FOUND] = TOKEND_CLAIM_NOT_FOUND,
        [PROTO_AUDIT_UNAVAILABLE] = TOKEND_AUDIT_UNAVAILABLE,
        [PROTO_INTERFACE_NOT_FOUND] = TOKEND_INTERFACE_NOT_FOUND,
        [PROTO_METHOD_NOT_FOUND] = TOKEND_METHOD_NOT_FOUND,
        [PROTO_METHOD_NOT_IMPLEMENTED] = TOKEND_METHOD_NOT_IMPLEMENTED,
        [PROTO_INVALID_PARAMETER] = TOKEND_INVALID_PARAMETER,
        [PROTO_EXPECTED_MORE] = TOKEND_EXPECTED_MORE,
};

static const char *local_name(enum tokend_error error)
{
        switch (error) {
        case TOKEND_OK:
                return "Ok";
        case TOKEND_CANNOT_CONNECT:
                return "CannotConnect";
        case TOKEND_TIMED_OUT:
                return "TimedOut";
        case TOKEND_PROTOCOL_VIOLATION:
                return "ProtocolViolation";
        case TOKEND_NO_MEMORY:
                return "NoMemory";
        case TOKEND_INVALID_ARGUMENT:
                return "InvalidArgument";
        case TOKEND_OTHER_ERROR:
                return "OtherError";
        case TOKEND_STARTED:
                return "Started";
        default:
                return "Unknown";
        }
}

const char *tokend_error_name(enum tokend_error error)
{
        for (int i = PROTO_OK + 1; i < PROTO_ERROR_MAX_; i++)
                if (from_proto[i] == error)
                        return proto_error_name((enum proto_error)i);
        return local_name(error);
}

void failure_clean(char *text, size_t size)
{
        struct tokend_failure copy;

        (void)snprintf(copy.text, sizeof(copy.text), "%s", text);
        /* snprintf() cuts between bytes. */
        (void)printable_copy(text, size, copy.text, utf8_whole(copy.text, strlen(copy.text)));
}

static const char *next_of(const char *word)
{
        const struct remedy *remedy = remedy_find(word);

        return remedy ? remedy->next : "";
}

enum tokend_error fail(struct tokend_failure *ret_failure, enum tokend_error error, const char *format, ...)
{
        va_list arguments;

        if (!ret_failure)
                return error;
        *ret_failure = (struct tokend_failure){.error = error, .next = next_of(tokend_error_name(error))};
        snprintf(ret_failure->name, sizeof(ret_failure->name), "%s", tokend_error_name(error));
        va_start(arguments, format);
        vsnprintf(ret_failure->text, sizeof(ret_failure->text), format, arguments);
        va_end(arguments);
        failure_clean(ret_failure->text, sizeof(ret_failure->text));
        return error;
}

enum tokend_error fail_field(struct tokend_failure *ret_failure, const char *name, const char *what)
{
        return fail(ret_failure, TOKEND_PROTOCOL_VIOLATION, "the reply does not match %s: %s", name, what);
}

/* "sentence (token "hsm", state "failed")" */
static void describe(char *text, size_t size, const char *sentence, struct json_object *parameters)
{
        struct json_object_iterator i, end;
        size_t at = (size_t)snprintf(text, size, "%s", sentence);
        const char *separator = " (";

        if (!json_object_is_type(parameters, json_type_object) || json_object_object_length(parameters) == 0)
                return;
        i = json_object_iter_begin(parameters);
        end = json_object_iter_end(parameters);
        for (; !json_object_iter_equal(&i, &end) && at < size; json_object_iter_next(&i)) {
                _cleanup_(freep) char *value = NULL;

                /* That is the sentence. */
                if (json_object_is_type(json_object_iter_peek_value(&i), json_type_string) &&
                        strcmp(json_object_get_string(json_object_iter_peek_value(&i)), sentence) == 0)
                        continue;
                if (json_print(json_object_iter_peek_value(&i), &value) < 0)
                        break;
                at += (size_t)snprintf(
                        text + at, size - at, "%s%s %s", separator, json_object_iter_peek_name(&i), value);
                separator = ", ";
        }
        if (*separator == ',' && at < size)
                snprintf(text + at, size - at, ")");
}

static const char *string_of(struct json_object *parameters, const char *name)
{
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(parameters, name, &value) ||
                !json_object_is_type(value, json_type_string))
                return "";
        return json_object_get_string(value);
}

/* A text that does not fit is left out whole. */
static void keep(char *place, size_t size, const char *text)
{
        if (strlen(text) < size)
                memcpy(place, text, strlen(text) + 1);
}

/* What the error says, and what to do about it: as its word says, where it has one. */
static void explain(struct tokend_failure *failure, enum proto_error error, struct json_object *parameters)
{
        _cleanup_(freep) char *json = NULL;
        const struct remedy *word = remedy_find(string_of(parameters, "reason"));
        const char *sentence = proto_error_sentence(error);

        failure->next = next_of(tokend_error_name(failure->error));
        if (error == PROTO_OK)
                sentence = "this library does not know the error";
        if (error == PROTO_TOKEN_UNAVAILABLE)
                word = remedy_find(string_of(parameters, "cause"));
        /* A daemon of before tells no cause, and of a token that starts there is none. */
        if (error == PROTO_TOKEN_UNAVAILABLE && !word)
                word = remedy_find(string_of(parameters, "state"));
        if ((error == PROTO_PERMISSION_DENIED || error == PROTO_TOKEN_UNAVAILABLE) && word &&
                word->sentence) {
                sentence = word->sentence;
                failure->next = word->next;
        }
        if (error == PROTO_INVALID_PARAMETER) {
                keep(failure->parameter, sizeof(failure->parameter), string_of(parameters, "parameter"));
                /* A daemon of before tells no reason. */
                if (*string_of(parameters, "reason"))
                        sentence = string_of(parameters, "reason");
        }
        describe(failure->text, sizeof(failure->text), sentence, parameters);
        failure_clean(failure->text, sizeof(failure->text));
        if (parameters && json_print(parameters, &json) == 0)
                keep(failure->parameters, sizeof(failure->parameters), json);
}

enum tokend_error fail_reply(struct tokend_failure *ret_failure, const char *name,
        struct json_object *parameters, int64_t *ret_retry_ms)
{
        enum proto_error error = proto_error_from_name(name);
        struct json_object *value = NULL;

        *ret_retry_ms = 0;
        if (error == PROTO_OVERLOADED && json_object_object_get_ex(parameters, "retryAfterMs", &value))
                *ret_retry_ms = json_object_get_int64(value);
        if (!ret_failure)
                return from_proto[error];
        *ret_failure = (struct tokend_failure){.error = from_proto[error]};
        snprintf(ret_failure->name, sizeof(ret_failure->name), "%s", name);
        failure_clean(ret_failure->name, sizeof(ret_failure->name));
        explain(ret_failure, error, parameters);
        if (json_object_object_get_ex(parameters, "executed", &value))
                ret_failure->executed = json_object_get_boolean(value);
        return from_proto[error];
}
