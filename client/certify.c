/* SPDX-License-Identifier: MPL-2.0 */
/* The calls that make, import and remove certificates: tokend_request_certificate(), tokend_self_sign(),
 * tokend_import_certificate(), tokend_delete_certificate() and tokend_delete_certificate_of(). */
#include "gen/client/stubs.h"

/* Runs a call whose reply is a certificate, and ends it. */
static enum tokend_error finish_for_certificate(struct tokend *handle, struct call *call,
        struct tokend_certificate **ret, struct tokend_failure *ret_failure)
{
        return call_finish(handle, call, certificate_take, certificate_forget, ret, ret_failure);
}

static enum tokend_error take_request(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct certificates_request_result result = {0};
        enum tokend_error error = certificates_request_parse(parameters, &result, ret_failure);

        return call_take_bytes(call, error, &result.request);
}

enum tokend_error tokend_request_certificate(struct tokend *handle, const struct tokend_subject *subject,
        int timeout_ms, unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct call call;
        struct tokend_subject what;
        enum tokend_error error = structure_take(&what, sizeof(what), subject, "tokend_subject", ret_failure);

        if (error != TOKEND_OK)
                return error;
        error = certificates_request_begin(&call,
                &(struct certificates_request_arguments){
                        .key = what.key,
                        .subject = what.subject,
                        .algorithm = what.algorithm,
                        .dns_names = {what.dns_names, what.n_dns_names},
                },
                timeout_ms, ret_failure);
        return error == TOKEND_OK
                       ? call_finish_bytes(handle, &call, take_request, ret, ret_length, ret_failure)
                       : error;
}

enum tokend_error tokend_self_sign(struct tokend *handle, const struct tokend_subject *subject,
        int validity_days, bool ca, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        struct tokend_subject what;
        enum tokend_error error = structure_take(&what, sizeof(what), subject, "tokend_subject", ret_failure);

        if (error != TOKEND_OK)
                return error;
        error = certificates_self_sign_begin(&call,
                &(struct certificates_self_sign_arguments){
                        .key = what.key,
                        .subject = what.subject,
                        .algorithm = what.algorithm,
                        .validity_days = validity_days,
                        .ca = ca,
                        .dns_names = {what.dns_names, what.n_dns_names},
                },
                timeout_ms, ret_failure);
        return error == TOKEND_OK ? finish_for_certificate(handle, &call, ret, ret_failure) : error;
}

enum tokend_error tokend_import_certificate(struct tokend *handle, const char *token, const char *nickname,
        const void *der, size_t length, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = certificates_import_begin(&call,
                &(struct certificates_import_arguments){
                        .token = token, .nickname = nickname, .certificate = {der, length}},
                timeout_ms, ret_failure);

        return error == TOKEND_OK ? finish_for_certificate(handle, &call, ret, ret_failure) : error;
}

enum tokend_error tokend_delete_certificate(
        struct tokend *handle, const char *name, int timeout_ms, struct tokend_failure *ret_failure)
{
        return tokend_delete_certificate_of(handle, name, NULL, timeout_ms, ret_failure);
}

enum tokend_error tokend_delete_certificate_of(struct tokend *handle, const char *name,
        const char *serial_number, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = certificates_delete_begin(&call,
                &(struct certificates_delete_arguments){.certificate = name, .serial_number = serial_number},
                timeout_ms, ret_failure);

        return error == TOKEND_OK ? call_run(handle, &call, ret_failure) : error;
}
