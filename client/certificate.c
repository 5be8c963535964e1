/* SPDX-License-Identifier: MPL-2.0 */
/* Certificates from JSON to structs: tokend_list_certificates(), tokend_get_certificate(). A certificate holds its JSON
 * object, and its strings are that object's. */
#include <errno.h>
#include <string.h>

#include "client/internal.h"
#include "proto/limits.h"

#define METHOD "io.tokend.Certificates.List"

/* certificate comes first: the one is the other's address. */
struct owned_certificate {
        struct tokend_certificate certificate;
        struct field_bytes der;
        struct json_object *object;
};

#define AT(member) offsetof(struct owned_certificate, member)
static const struct field certificate_fields[] = {
        {"token", FIELD_STRING, true, AT(certificate.token), 0, 0, 0},
        {"nickname", FIELD_STRING, true, AT(certificate.nickname), 0, 0, 0},
        {"id", FIELD_STRING, true, AT(certificate.id), 0, 0, 0},
        {"subject", FIELD_STRING, true, AT(certificate.subject), 0, 0, 0},
        {"issuer", FIELD_STRING, true, AT(certificate.issuer), 0, 0, 0},
        {"serialNumber", FIELD_STRING, true, AT(certificate.serial_number), 0, 0, 0},
        {"notBeforeUSec", FIELD_INT, true, AT(certificate.not_before_usec), 0, INT64_MAX, 0},
        {"notAfterUSec", FIELD_INT, true, AT(certificate.not_after_usec), 0, INT64_MAX, 0},
        {"hasPrivateKey", FIELD_BOOL, true, AT(certificate.has_private_key), 0, 0, 0},
        {"der", FIELD_BYTES, true, AT(der), 1, 0, 0},
};

static enum tokend_error certificate_new(
        struct json_object *object, struct tokend_certificate **ret, struct tokend_failure *ret_failure)
{
        struct owned_certificate *owned = calloc(1, sizeof(*owned));
        const char *bad = NULL;
        int r;

        if (!owned)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a certificate");
        owned->object = json_object_get(object);
        r = fields_parse(certificate_fields, ARRAY_SIZE(certificate_fields), object, false, owned, &bad);
        if (r == 0) {
                owned->certificate.json = json_object_to_json_string_ext(
                        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
                if (!owned->certificate.json)
                        r = -ENOMEM;
        }
        if (r != 0) {
                tokend_certificate_free(&owned->certificate);
                return r < 0 ? fail(ret_failure, TOKEND_NO_MEMORY, "no memory for a certificate")
                             : fail(ret_failure, TOKEND_PROTOCOL_VIOLATION,
                                       "a certificate is not described as it should be: %s", bad);
        }
        owned->certificate.der = owned->der.data;
        owned->certificate.der_length = owned->der.length;
        *ret = &owned->certificate;
        return TOKEND_OK;
}

void tokend_certificate_free(struct tokend_certificate *certificate)
{
        struct owned_certificate *owned = (struct owned_certificate *)(void *)certificate;

        if (!owned)
                return;
        fields_done(certificate_fields, ARRAY_SIZE(certificate_fields), owned);
        json_object_put(owned->object);
        free(owned);
}

enum tokend_error certificate_take(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct tokend_certificate **certificate = userdata;
        struct json_object *object = NULL;

        tokend_certificate_free(*certificate);
        *certificate = NULL;
        if (again)
                return TOKEND_OK;
        if (!json_object_object_get_ex(parameters, "certificate", &object) ||
                !json_object_is_type(object, json_type_object))
                return fail_field(ret_failure, "io.tokend.Certificates", "certificate");
        return certificate_new(object, certificate, ret_failure);
}

enum tokend_error tokend_get_certificate(struct tokend *handle, const char *name, int timeout_ms,
        struct tokend_certificate **ret, struct tokend_failure *ret_failure)
{
        struct tokend_certificate *certificate = NULL;
        struct call call;
        enum tokend_error error = call_init(&call, "io.tokend.Certificates.Get", CALL_REPEATABLE, timeout_ms,
                DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        call_add_string(&call, "certificate", name);
        call.take = certificate_take;
        call.userdata = &certificate;
        error = call_run(handle, &call, ret_failure);
        call_done(&call);
        if (error == TOKEND_OK)
                *ret = certificate;
        else
                tokend_certificate_free(certificate);
        return error;
}

/* ---- List ---- */

static void clear(struct tokend_certificates *list)
{
        for (size_t i = 0; i < list->n_certificates; i++)
                tokend_certificate_free(list->certificates[i]);
        free(list->certificates);
        *list = (struct tokend_certificates){0};
}

void tokend_certificates_free(struct tokend_certificates *certificates)
{
        if (certificates)
                clear(certificates);
        free(certificates);
}

static enum tokend_error take_certificates(
        void *userdata, struct json_object *parameters, bool again, struct tokend_failure *ret_failure)
{
        struct tokend_certificates *list = userdata;
        struct json_object *array = NULL;
        struct tokend_certificate **room;
        size_t n;

        if (again) {
                clear(list);
                return TOKEND_OK;
        }
        if (!json_object_object_get_ex(parameters, "certificates", &array) ||
                !json_object_is_type(array, json_type_array))
                return fail_field(ret_failure, METHOD, "certificates");
        n = json_object_array_length(array);
        if (n == 0)
                return TOKEND_OK;
        room = reallocarray(list->certificates, list->n_certificates + n, sizeof(*room));
        if (!room)
                return fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the certificates");
        list->certificates = room;
        for (size_t i = 0; i < n; i++) {
                struct json_object *object = json_object_array_get_idx(array, i);
                enum tokend_error error;

                if (!json_object_is_type(object, json_type_object))
                        return fail_field(ret_failure, METHOD, "certificates");
                error = certificate_new(object, &list->certificates[list->n_certificates], ret_failure);
                if (error != TOKEND_OK)
                        return error;
                list->n_certificates++;
        }
        return TOKEND_OK;
}

enum tokend_error tokend_list_certificates(struct tokend *handle, const char *token, const char *nickname,
        int timeout_ms, struct tokend_certificates **ret, struct tokend_failure *ret_failure)
{
        struct tokend_certificates *list;
        struct call call;
        enum tokend_error error =
                call_init(&call, METHOD, CALL_REPEATABLE, timeout_ms, DEFAULT_TIMEOUT_MS, ret_failure);

        if (error != TOKEND_OK)
                return error;
        list = calloc(1, sizeof(*list));
        call_add_string(&call, "token", token);
        call_add_string(&call, "nickname", nickname);
        call.more = true;
        call.take = take_certificates;
        call.userdata = list;
        error = list ? call_run(handle, &call, ret_failure)
                     : fail(ret_failure, TOKEND_NO_MEMORY, "no memory for the certificates");
        call_done(&call);
        if (error == TOKEND_OK)
                *ret = list;
        else
                tokend_certificates_free(list);
        return error;
}
