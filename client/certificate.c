/* SPDX-License-Identifier: MPL-2.0 */
/* Certificates as the daemon describes them: tokend_list_certificates() and tokend_get_certificate(). A certificate holds its
 * JSON object, and its strings are those of the object. */
#include "gen/client/stubs.h"

/* certificate comes first, so that its address is also that of the whole. Its strings are those of parts, which are those of object. */
struct owned_certificate {
        struct tokend_certificate certificate;
        struct certificates_certificate_result parts;
        struct json_object *object;
        char *json;
};

static void fill(struct tokend_certificate *certificate, const struct certificates_certificate_result *parts)
{
        certificate->token = parts->token;
        certificate->nickname = parts->nickname;
        certificate->id = parts->id;
        certificate->subject = parts->subject;
        certificate->issuer = parts->issuer;
        certificate->serial_number = parts->serial_number;
        certificate->not_before_usec = parts->not_before_usec;
        certificate->not_after_usec = parts->not_after_usec;
        certificate->has_private_key = parts->has_private_key;
        certificate->der = parts->der.data;
        certificate->der_length = parts->der.length;
}

static enum tokend_error certificate_new(
        struct json_object *object, struct tokend_certificate **ret, struct tokend_failure *ret_failure)
{
        struct owned_certificate *owned = calloc(1, sizeof(*owned));
        enum tokend_error error;

        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a certificate");
        error = certificates_certificate_parse(object, &owned->parts, ret_failure);
        if (error == TOKEND_OK) {
                owned->object = json_object_get(object);
                fill(&owned->certificate, &owned->parts);
                if (json_print(object, &owned->json) < 0)
                        error = fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a certificate");
                owned->certificate.json = owned->json;
        }
        if (error == TOKEND_OK)
                *ret = &owned->certificate;
        else
                tokend_certificate_free(&owned->certificate);
        return error;
}

void tokend_certificate_free(struct tokend_certificate *certificate)
{
        struct owned_certificate *owned = (struct owned_certificate *)(void *)certificate;

        if (!owned)
                return;
        free(owned->parts.der.data);
        json_object_put(owned->object);
        free(owned->json);
        free(owned);
}

enum tokend_error certificate_take(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct tokend_certificate *certificate = NULL;
        struct certificates_get_result result;
        enum tokend_error error = certificates_get_parse(parameters, &result, ret_failure);

        if (error == TOKEND_OK)
                error = certificate_new(result.certificate, &certificate, ret_failure);
        call->object = certificate;
        return error;
}

void certificate_forget(struct call *call)
{
        tokend_certificate_free(TAKE_PTR(call->object));
}

enum tokend_error tokend_get_certificate(struct tokend *handle, const char *name, int timeout_ms,
        struct tokend_certificate **ret, struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = certificates_get_begin(
                &call, &(struct certificates_get_arguments){.certificate = name}, timeout_ms, ret_failure);

        return error == TOKEND_OK
                       ? call_finish(handle, &call, certificate_take, certificate_forget, ret, ret_failure)
                       : error;
}

/* ---- List ---- */

/* list comes first, so that its address is also that of the whole. */
struct owned_certificates {
        struct tokend_certificates list;
        struct tokend_list_end end;
};

void tokend_certificates_free(struct tokend_certificates *certificates)
{
        struct owned_certificates *owned = (struct owned_certificates *)(void *)certificates;

        if (!owned)
                return;
        for (size_t i = 0; i < certificates->n_certificates; i++)
                tokend_certificate_free(certificates->certificates[i]);
        free(certificates->certificates);
        list_end_done(&owned->end);
        free(owned);
}

static void forget_certificates(struct call *call)
{
        tokend_certificates_free(TAKE_PTR(call->object));
}

static struct owned_certificates *certificates_of(struct call *call)
{
        struct owned_certificates *owned = call->object ? call->object : calloc(1, sizeof(*owned));

        if (owned)
                owned->list.end = &owned->end;
        call->object = owned;
        return owned;
}

static enum tokend_error take_certificates(
        struct call *call, struct json_object *parameters, struct tokend_failure *ret_failure)
{
        struct owned_certificates *owned = certificates_of(call);
        struct certificates_list_result result;
        struct tokend_certificate **room;
        enum tokend_error error =
                owned ? certificates_list_parse(parameters, &result, ret_failure)
                      : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the certificates");
        struct tokend_certificates *list;
        size_t n;

        if (error != TOKEND_OK)
                return error;
        list = &owned->list;
        error = list_end_take(&owned->end, result.state, result.unchanged, result.unavailable, ret_failure);
        n = json_object_array_length(result.certificates);
        if (error != TOKEND_OK || n == 0)
                return error;
        room = reallocarray(list->certificates, list->n_certificates + n, sizeof(*room));
        if (!room)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the certificates");
        list->certificates = room;
        for (size_t i = 0; i < n; i++) {
                error = certificate_new(json_object_array_get_idx(result.certificates, i),
                        &list->certificates[list->n_certificates], ret_failure);
                if (error != TOKEND_OK)
                        return error;
                list->n_certificates++;
        }
        return TOKEND_OK;
}

enum tokend_error tokend_list_certificates(struct tokend *handle, const char *token, const char *nickname,
        int timeout_ms, struct tokend_certificates **ret, struct tokend_failure *ret_failure)
{
        return tokend_list_certificates_since(handle, token, nickname, NULL, timeout_ms, ret, ret_failure);
}

enum tokend_error tokend_list_certificates_since(struct tokend *handle, const char *token,
        const char *nickname, const char *since, int timeout_ms, struct tokend_certificates **ret,
        struct tokend_failure *ret_failure)
{
        struct call call;
        enum tokend_error error = certificates_list_begin(&call,
                &(struct certificates_list_arguments){.token = token, .nickname = nickname, .since = since},
                timeout_ms, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call.more = true;
        return call_finish(handle, &call, take_certificates, forget_certificates, ret, ret_failure);
}
