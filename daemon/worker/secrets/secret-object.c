/* SPDX-License-Identifier: MPL-2.0 */
/* See secret-object.h. */
#include "daemon/worker/secrets/secret-object.h"

#include <nss/pkcs11n.h>
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/worker/core/attributes.h"

/* Keys of one id and label that are removed. */
#define REMOVE_MAX 4U

/* ---- templates ---- */

static const struct {
        unsigned usage;
        CK_ATTRIBUTE_TYPE type;
        bool of_private;
} usages[] = {
        {USAGE_SIGN, CKA_SIGN, true},
        {USAGE_DECRYPT, CKA_DECRYPT, true},
        {USAGE_UNWRAP, CKA_UNWRAP, true},
        {USAGE_DERIVE, CKA_DERIVE, true},
        {USAGE_ENCRYPT, CKA_ENCRYPT, false},
        {USAGE_WRAP, CKA_WRAP, false},
};

static void add(struct secret_template *template, CK_ATTRIBUTE attribute)
{
        template->attributes[template->n++] = attribute;
}

/* Class, type, and what it is for. */
static void begin(struct secret_template *template, const struct secret_shape *shape)
{
        const struct secret_type_info *info = secret_type_info(shape->type);

        template->n = 0;
        template->class = info->is_private ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
        template->key_type = info->key_type;
        template->length = shape->size;
        add(template, (CK_ATTRIBUTE)ATTRIBUTE(CKA_CLASS, &template->class, sizeof(template->class)));
        add(template, (CK_ATTRIBUTE)ATTRIBUTE(CKA_KEY_TYPE, &template->key_type, sizeof(template->key_type)));
        add(template, (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_PRIVATE, true));
        add(template, (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_SENSITIVE, true));
        for (size_t i = 0; i < ARRAY_SIZE(usages); i++)
                if (!info->is_private || usages[i].of_private)
                        add(template,
                                (CK_ATTRIBUTE)ATTRIBUTE_BOOL(usages[i].type, shape->usage & usages[i].usage));
}

static bool has_length(unsigned type)
{
        return type == SECRET_AES || type == SECRET_GENERIC;
}

void secret_template(struct secret_template *template, const struct secret_shape *shape, bool with_length)
{
        begin(template, shape);
        add(template, (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_TOKEN, false));
        add(template, (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_EXTRACTABLE, true));
        if (with_length && has_length(shape->type))
                add(template,
                        (CK_ATTRIBUTE)ATTRIBUTE(CKA_VALUE_LEN, &template->length, sizeof(template->length)));
}

void secret_template_point(const struct slot_token *token, struct secret_template *template,
        const struct secret_shape *shape, struct wire_bytes spki)
{
        static const uint8_t unknown = 0;
        struct der point = {&unknown, 1};
        unsigned bits;

        if (shape->type != SECRET_EC || !token->softoken)
                return;
        if (spki_key_type((struct der){spki.data, spki.length}, &bits, &point) != KEY_EC)
                point = (struct der){&unknown, 1};
        add(template, (CK_ATTRIBUTE)ATTRIBUTE_BYTES(CKA_NSS_DB, point));
}

int secret_make_permanent(struct operation *operation, const struct secret_shape *shape, const char *label,
        struct wire_bytes id)
{
        struct session *session = operation->session;
        CK_MECHANISM mechanism = {secret_type_info(shape->type)->generator, NULL, 0};
        struct secret_template template;
        CK_OBJECT_HANDLE handle;
        int r;

        begin(&template, shape);
        add(&template, (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_TOKEN, true));
        add(&template, (CK_ATTRIBUTE)ATTRIBUTE_BOOL(CKA_EXTRACTABLE, false));
        add(&template, (CK_ATTRIBUTE)ATTRIBUTE_TEXT(CKA_LABEL, label));
        add(&template, (CK_ATTRIBUTE)ATTRIBUTE_BYTES(CKA_ID, id));
        if (has_length(shape->type))
                add(&template,
                        (CK_ATTRIBUTE)ATTRIBUTE(CKA_VALUE_LEN, &template.length, sizeof(template.length)));
        atomic_store(&session->call_limit_usec, session->token->config->generate_timeout_usec);
        r = P11(session, C_GenerateKey, session->handle, &mechanism, template.attributes, template.n,
                &handle);
        atomic_store(&session->call_limit_usec, session->token->config->timeout_usec);
        return r;
}

int secret_remove(struct operation *operation, struct wire_bytes id, const char *label)
{
        struct session *session = operation->session;
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_SECRET_KEY),
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                ATTRIBUTE_BYTES(CKA_ID, id),
                ATTRIBUTE_TEXT(CKA_LABEL, label),
        };
        CK_OBJECT_HANDLE handles[REMOVE_MAX];
        size_t n = 0;
        int r = session_find(session, template, ARRAY_SIZE(template), handles, REMOVE_MAX, &n);

        for (size_t i = 0; i < n && r == 0; i++) {
                r = operation_destroy(operation, CKO_SECRET_KEY, handles[i]);
                if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        r = 0;
        }
        return r;
}

int secret_unmade(struct operation *operation, int r)
{
        const struct session *session = operation->session;
        char name[CKR_TEXT];

        if (!session_said(session, r, CKR_TEMPLATE_INCONSISTENT) &&
                !session_said(session, r, CKR_KEY_SIZE_RANGE) &&
                !session_said(session, r, CKR_ATTRIBUTE_VALUE_INVALID))
                return r;
        operation->result.ckr = session->failed.ckr;
        return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token makes no such key: %s",
                ckr_text(session->failed.ckr, name));
}

/* ---- what came out ---- */

/* Bits of a private key's modulus or curve; 0: the token does not show them. */
static int read_bits(struct session *session, CK_OBJECT_HANDLE handle, unsigned type, unsigned *ret)
{
        uint8_t value[LIMIT_RSA_BITS_MAX / 8 + 8];
        CK_ATTRIBUTE attribute =
                ATTRIBUTE(type == SECRET_RSA ? CKA_MODULUS : CKA_EC_PARAMS, value, sizeof(value));
        int r = attributes_read(session, handle, &attribute, 1);
        struct der bytes = attribute_bytes(&attribute);

        if (r == 0)
                *ret = type == SECRET_RSA ? spki_modulus_bits(der_unsigned(bytes)) : spki_curve_bits(bytes);
        return r;
}

int secret_check(struct operation *operation, CK_OBJECT_HANDLE handle, struct secret_shape *shape,
        const char *parameter)
{
        struct session *session = operation->session;
        CK_ULONG length = 0;
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_VALUE_LEN, &length, sizeof(length));
        unsigned bits = 0;
        int r;

        if (!secret_type_info(shape->type)->is_private) {
                r = has_length(shape->type) ? attributes_read(session, handle, &attribute, 1) : 0;
                if (r == 0 && attribute.ulValueLen == sizeof(length) && length != 0 && length != shape->size)
                        return operation_invalid(
                                operation, parameter, "the key has %lu bytes, not %u", length, shape->size);
                return r;
        }
        r = read_bits(session, handle, shape->type, &bits);
        if (r != 0)
                return r;
        if (shape->size == 0)
                shape->size = bits;
        if (bits != shape->size || !secret_size_fits(shape->type, bits))
                return operation_invalid(
                        operation, parameter, "the private key has %u bits, not %u", bits, shape->size);
        return 0;
}

/* ---- what failed ---- */

static bool lacks_mechanism(CK_RV ckr)
{
        /* SoftHSM calls a hash of OAEP that it does not know a bad argument. */
        return ckr == CKR_ARGUMENTS_BAD || ckr == CKR_MECHANISM_INVALID ||
               ckr == CKR_MECHANISM_PARAM_INVALID || ckr == CKR_FUNCTION_NOT_SUPPORTED ||
               ckr == CKR_KEY_TYPE_INCONSISTENT || ckr == CKR_KEY_FUNCTION_NOT_PERMITTED ||
               ckr == CKR_KEY_NOT_WRAPPABLE || ckr == CKR_KEY_UNEXTRACTABLE ||
               ckr == CKR_WRAPPING_KEY_TYPE_INCONSISTENT || ckr == CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
}

/* softoken says CKR_HOST_MEMORY of a private key that it cannot read. */
static bool is_about_input(const struct session *session)
{
        enum ckr_class class = session->failed.class;

        return class == CKR_CLASS_REQUEST || class == CKR_CLASS_VAGUE ||
               (session->failed.ckr == CKR_HOST_MEMORY && session->token->softoken);
}

int secret_blame(struct operation *operation, int r, const char *parameter)
{
        struct session *session = operation->session;
        struct failed_call failed = session->failed;
        char name[CKR_TEXT];

        if (r != CALL_FAILED || !is_about_input(session))
                return r;
        /* The device may have failed once. */
        if (failed.class != CKR_CLASS_REQUEST && operation->attempt == 1)
                return -EAGAIN;
        /* The device has done what it can: no CKR_ is told, which the status would show as an error of the token. */
        if (lacks_mechanism(failed.ckr))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "%s: %s", failed.call, ckr_text(failed.ckr, name));
        return operation_invalid(operation, parameter, "%s: %s", failed.call, ckr_text(failed.ckr, name));
}
