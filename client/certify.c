/* SPDX-License-Identifier: MPL-2.0 */
/* The calls that make, import and remove certificates: tokend_request_certificate(), tokend_self_sign(),
 * tokend_import_certificate(), tokend_replace_certificate(), tokend_delete_certificate() and tokend_delete_certificate_of(). */
#include <errno.h>

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

/* ---- in the place of others ---- */

/* replacement comes first, so that its address is also that of the whole. The serial numbers are those of object. */
struct owned_replacement {
        struct tokend_replacement replacement;
        struct json_object *object;
        const char **serials;
};

void tokend_replacement_free(struct tokend_replacement *replacement)
{
        struct owned_replacement *owned = (struct owned_replacement *)(void *)replacement;

        if (!owned)
                return;
        tokend_certificate_free(replacement->certificate);
        free(owned->serials);
        json_object_put(owned->object);
        free(owned);
}

static int fill(struct owned_replacement *owned, const struct certificates_import_result *result)
{
        struct tokend_replacement *replacement = &owned->replacement;

        replacement->unchanged = result->unchanged;
        replacement->n_replaced = result->replaced ? json_object_array_length(result->replaced) : 0;
        owned->serials = calloc(replacement->n_replaced + 1, sizeof(*owned->serials));
        if (!owned->serials)
                return -ENOMEM;
        for (size_t i = 0; i < replacement->n_replaced; i++)
                owned->serials[i] = json_object_get_string(json_object_array_get_idx(result->replaced, i));
        replacement->replaced = owned->serials;
        return 0;
}

static enum tokend_error take_replacement(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct certificates_import_result result = {0};
        struct owned_replacement *owned;
        enum tokend_error error = certificate_take(call, parameters, ret_failure);
        struct tokend_certificate *certificate = TAKE_PTR(call->object);

        if (error == TOKEND_OK)
                error = certificates_import_parse(parameters, &result, ret_failure);
        owned = error == TOKEND_OK ? calloc(1, sizeof(*owned)) : NULL;
        if (!owned) {
                tokend_certificate_free(certificate);
                return error == TOKEND_OK ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a certificate")
                                          : error;
        }
        owned->replacement.certificate = certificate;
        owned->object = json_object_get(parameters);
        call->object = owned;
        return fill(owned, &result) < 0 ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a certificate")
                                        : TOKEND_OK;
}

static void forget_replacement(struct call *call)
{
        tokend_replacement_free(TAKE_PTR(call->object));
}

enum tokend_error tokend_replace_certificate(struct tokend *handle, const char *token, const char *nickname,
        const void *der, size_t length, int timeout_ms, struct tokend_replacement **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = certificates_import_begin(&call,
                &(struct certificates_import_arguments){
                        .token = token, .nickname = nickname, .certificate = {der, length}, .replace = true},
                timeout_ms, ret_failure);

        return error == TOKEND_OK
                       ? call_finish(handle, &call, take_replacement, forget_replacement, ret, ret_failure)
                       : error;
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
