/* SPDX-License-Identifier: MPL-2.0 */
/* What makes, brings and removes certificates: tokend_request_certificate(), tokend_self_sign(),
 * tokend_import_certificate(), tokend_delete_certificate(). */
#include "client/internal.h"
#include "proto/limits.h"

static void add_subject(struct call *call, const struct tokend_subject *subject)
{
        call_add_string(call, "key", subject->key);
        call_add_string(call, "subject", subject->subject);
        call_add_string(call, "algorithm", subject->algorithm);
        if (subject->n_dns_names > 0)
                call_add_strings(call, "dnsNames", subject->dns_names, subject->n_dns_names);
}

/* Runs a call whose reply is a certificate, and ends it. */
static enum tokend_error run_for_certificate(struct tokend *handle, struct call *call,
        struct tokend_certificate **ret, struct tokend_failure *ret_failure)
{
        struct tokend_certificate *certificate = NULL;
        enum tokend_error error;

        call->take = certificate_take;
        call->userdata = &certificate;
        error = call_run(handle, call, ret_failure);
        call_done(call);
        if (error == TOKEND_OK)
                *ret = certificate;
        else
                tokend_certificate_free(certificate);
        return error;
}

static enum tokend_error take_request(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        static const struct field fields[] = {{"request", FIELD_BYTES, true, 0, 1, 0, 0}};
        const char *bad = NULL;
        int r;

        if (again)
                return TOKEND_OK;
        r = fields_parse(fields, 1, parameters, false, userdata, &bad);
        if (r < 0)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the request");
        return r > 0 ? fail_field(ret_failure, "io.tokend.Certificates.Request", bad) : TOKEND_OK;
}

enum tokend_error tokend_request_certificate(struct tokend *handle, const struct tokend_subject *subject,
        int timeout_ms, unsigned char **ret, size_t *ret_length, struct tokend_failure *ret_failure)
{
        struct field_bytes request = {0};
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Certificates.Request", CALL_REPEATABLE,
                timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        add_subject(&call, subject);
        call.take = take_request;
        call.userdata = &request;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        if (error != TOKEND_OK)
                return error;
        *ret = request.data;
        *ret_length = request.length;
        return TOKEND_OK;
}

enum tokend_error tokend_self_sign(struct tokend *handle, const struct tokend_subject *subject,
        int validity_days, bool ca, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Certificates.SelfSign", CALL_ONCE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        add_subject(&call, subject);
        call_add_int(&call, "validityDays", validity_days);
        call_add_bool(&call, "ca", ca);
        return run_for_certificate(handle, &call, ret, ret_failure);
}

enum tokend_error tokend_import_certificate(struct tokend *handle, const char *token, const char *nickname,
        const void *der, size_t length, int timeout_ms, struct tokend_certificate **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Certificates.Import", CALL_ONCE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "token", token);
        call_add_string(&call, "nickname", nickname);
        call_add_bytes(&call, "certificate", der, length);
        return run_for_certificate(handle, &call, ret, ret_failure);
}

enum tokend_error tokend_delete_certificate(
        struct tokend *handle, const char *name, int timeout_ms, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Certificates.Delete", CALL_ONCE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "certificate", name);
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        return error;
}
