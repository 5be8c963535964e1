/* SPDX-License-Identifier: MPL-2.0 */
/* See object.h. */
#include "daemon/worker/core/object.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/spki.h"
#include "proto/limits.h"

/* Bytes of a label we read; a longer one is not shown anyway. */
#define LABEL_SIZE 1024U
/* Bytes of a modulus: RSA-16384. */
#define MODULUS_SIZE 2048U
/* Bytes of a certificate: it must fit into one message with its other fields. */
#define CERTIFICATE_MAX (100U * 1024U)

#define MISSING CK_UNAVAILABLE_INFORMATION

static bool is_about_attributes(CK_RV rv)
{
        return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
               rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_VALUE_INVALID;
}

/* Many attributes in one call. One that the token does not know, does not show, or that is too long gets the
 * length MISSING; since some tokens stop at the first of these, each is then asked for by itself. */
static CK_RV read_attributes(
        struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, size_t n)
{
        CK_ULONG sizes[16];
        CK_RV rv;

        for (size_t i = 0; i < n; i++)
                sizes[i] = attributes[i].ulValueLen;
        rv = P11(session, C_GetAttributeValue, session->handle, handle, attributes, n);
        if (!is_about_attributes(rv))
                return rv;
        for (size_t i = 0; i < n; i++) {
                attributes[i].ulValueLen = sizes[i];
                rv = P11(session, C_GetAttributeValue, session->handle, handle, &attributes[i], 1);
                if (rv != CKR_OK && !is_about_attributes(rv))
                        return rv;
                if (rv != CKR_OK)
                        attributes[i].ulValueLen = MISSING;
        }
        return CKR_OK;
}

static struct der attribute_der(const CK_ATTRIBUTE *attribute)
{
        return (struct der){attribute->pValue, attribute->ulValueLen == MISSING ? 0 : attribute->ulValueLen};
}

static CK_RV keep_names(struct object *object, const CK_ATTRIBUTE *id, const CK_ATTRIBUTE *label)
{
        struct der i = attribute_der(id), l = attribute_der(label);

        object->id = malloc(i.length + 1);
        object->label = malloc(l.length + 1);
        if (!object->id || !object->label)
                return CKR_HOST_MEMORY;
        memcpy(object->id, i.data, i.length);
        object->id_length = i.length;
        memcpy(object->label, l.data, l.length);
        object->label[l.length] = '\0';
        object->label_length = l.length;
        return CKR_OK;
}

/* A label that is too long is no empty one: the key must not take its certificate's name. One byte that is
 * not listable stands for it. */
static void mark_long_label(CK_ATTRIBUTE *label)
{
        if (label->ulValueLen == MISSING) {
                ((char *)label->pValue)[0] = '\x01';
                label->ulValueLen = 1;
        }
}

static CK_RV read_rsa(struct session *session, struct object *object)
{
        uint8_t modulus[MODULUS_SIZE], exponent[MODULUS_SIZE];
        CK_ATTRIBUTE attributes[] = {
                {CKA_MODULUS, modulus, sizeof(modulus)},
                {CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)},
        };
        CK_RV rv = read_attributes(session, object->handle, attributes, ARRAY_SIZE(attributes));
        struct der n;

        if (rv != CKR_OK)
                return rv;
        n = der_unsigned(attribute_der(&attributes[0]));
        object->size = spki_modulus_bits(n);
        /* A private key may lack the exponent: then the public half or the certificate tells. */
        (void)spki_from_rsa(n, attribute_der(&attributes[1]), &object->der, &object->der_length);
        if (object->der || n.length == 0)
                return CKR_OK;
        object->modulus = malloc(n.length);
        if (!object->modulus)
                return CKR_HOST_MEMORY;
        memcpy(object->modulus, n.data, n.length);
        object->modulus_length = n.length;
        return CKR_OK;
}

CK_RV object_read_point(
        struct session *session, const struct object *object, uint8_t **ret, size_t *ret_length)
{
        uint8_t point[256];
        CK_ATTRIBUTE attribute = {CKA_EC_POINT, point, sizeof(point)};
        CK_RV rv = read_attributes(session, object->handle, &attribute, 1);

        if (rv == CKR_OK)
                (void)spki_from_point(object->size, attribute_der(&attribute), ret, ret_length);
        return rv;
}

static CK_RV read_curve(struct session *session, struct object *object)
{
        uint8_t params[64];
        CK_ATTRIBUTE attribute = {CKA_EC_PARAMS, params, sizeof(params)};
        CK_RV rv = read_attributes(session, object->handle, &attribute, 1);
        bool edwards = object->key_type == KEY_ED25519;

        if (rv != CKR_OK)
                return rv;
        object->size = spki_curve_bits(attribute_der(&attribute));
        if ((object->size == 255) != edwards)
                object->size = 0;
        if (object->class != CKO_PUBLIC_KEY || object->size == 0)
                return CKR_OK;
        return object_read_point(session, object, &object->der, &object->der_length);
}

static unsigned type_of(const CK_ATTRIBUTE *attribute)
{
        CK_KEY_TYPE type;

        if (attribute->ulValueLen != sizeof(type))
                return 0;
        memcpy(&type, attribute->pValue, sizeof(type));
        return type == CKK_RSA ? KEY_RSA : type == CKK_EC ? KEY_EC : type == CKK_EC_EDWARDS ? KEY_ED25519 : 0;
}

static bool is_true(const CK_ATTRIBUTE *attribute)
{
        return attribute->ulValueLen == sizeof(CK_BBOOL) && *(CK_BBOOL *)attribute->pValue != CK_FALSE;
}

/* What of CKA_… a private key has, and which bit of ours says so. */
static const struct {
        CK_ATTRIBUTE_TYPE type;
        unsigned usage, flag;
} bits[] = {
        {CKA_SIGN, USAGE_SIGN, 0},
        {CKA_DECRYPT, USAGE_DECRYPT, 0},
        {CKA_UNWRAP, USAGE_UNWRAP, 0},
        {CKA_DERIVE, USAGE_DERIVE, 0},
        {CKA_SENSITIVE, 0, FLAG_SENSITIVE},
        {CKA_EXTRACTABLE, 0, FLAG_EXTRACTABLE},
        {CKA_NEVER_EXTRACTABLE, 0, FLAG_NEVER_EXTRACTABLE},
        {CKA_LOCAL, 0, FLAG_LOCAL},
        {CKA_ALWAYS_SENSITIVE, 0, FLAG_ALWAYS_SENSITIVE},
};

static CK_RV read_private(struct session *session, struct object *object)
{
        CK_BBOOL values[ARRAY_SIZE(bits) + 1] = {0};
        CK_ATTRIBUTE attributes[ARRAY_SIZE(bits)],
                always = {CKA_ALWAYS_AUTHENTICATE, &values[ARRAY_SIZE(bits)], sizeof(CK_BBOOL)};
        CK_RV rv;

        for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
                attributes[i] = (CK_ATTRIBUTE){bits[i].type, &values[i], sizeof(CK_BBOOL)};
        rv = read_attributes(session, object->handle, attributes, ARRAY_SIZE(attributes));
        /* By itself: it is what older tokens do not know. */
        if (rv == CKR_OK)
                rv = read_attributes(session, object->handle, &always, 1);
        if (rv != CKR_OK)
                return rv;
        for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
                if (is_true(&attributes[i])) {
                        object->usage |= bits[i].usage;
                        object->flags |= bits[i].flag;
                }
        object->always_authenticate = is_true(&always);
        return CKR_OK;
}

static CK_RV read_key(struct session *session, struct object *object, const CK_ATTRIBUTE *type)
{
        CK_RV rv;

        object->key_type = type_of(type);
        if (object->key_type == 0)
                return CKR_OK;
        rv = object->key_type == KEY_RSA ? read_rsa(session, object) : read_curve(session, object);
        if (rv == CKR_OK && object->class == CKO_PRIVATE_KEY)
                rv = read_private(session, object);
        object->listable = object->size != 0;
        return rv;
}

static CK_RV read_certificate(struct session *session, struct object *object)
{
        CK_ATTRIBUTE value = {CKA_VALUE, NULL, 0};
        CK_RV rv = P11(session, C_GetAttributeValue, session->handle, object->handle, &value, 1);

        if (is_about_attributes(rv))
                return CKR_OK;
        if (rv != CKR_OK || value.ulValueLen == 0 || value.ulValueLen > CERTIFICATE_MAX)
                return rv;
        object->der = value.pValue = malloc(value.ulValueLen);
        if (!object->der)
                return CKR_HOST_MEMORY;
        rv = read_attributes(session, object->handle, &value, 1);
        if (rv == CKR_OK && value.ulValueLen != MISSING) {
                object->der_length = value.ulValueLen;
                object->listable = true;
        }
        return rv;
}

CK_RV object_read(
        struct session *session, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, struct object **ret)
{
        _cleanup_(object_freep) struct object *object = calloc(1, sizeof(*object));
        uint8_t id[LIMIT_KEY_ID];
        char label[LABEL_SIZE];
        CK_ULONG type = 0;
        CK_ATTRIBUTE attributes[] = {
                {CKA_ID, id, sizeof(id)},
                {CKA_LABEL, label, sizeof(label)},
                {class == CKO_CERTIFICATE ? CKA_CERTIFICATE_TYPE : CKA_KEY_TYPE, &type, sizeof(type)},
        };
        CK_RV rv;

        if (!object)
                return CKR_HOST_MEMORY;
        object->class = class;
        object->handle = handle;
        rv = read_attributes(session, handle, attributes, ARRAY_SIZE(attributes));
        if (rv != CKR_OK)
                return rv;
        mark_long_label(&attributes[1]);
        rv = keep_names(object, &attributes[0], &attributes[1]);
        if (rv == CKR_OK && class != CKO_CERTIFICATE)
                rv = read_key(session, object, &attributes[2]);
        else if (rv == CKR_OK && attributes[2].ulValueLen == sizeof(type) && type == CKC_X_509)
                rv = read_certificate(session, object);
        if (rv != CKR_OK)
                return rv;
        /* Longer than LIMIT_KEY_ID. */
        if (attributes[0].ulValueLen == MISSING)
                object->listable = false;
        *ret = TAKE_PTR(object);
        return CKR_OK;
}

void object_free(struct object *object)
{
        if (!object)
                return;
        free(object->id);
        free(object->label);
        free(object->der);
        free(object->modulus);
        free(object->sent_nickname);
        free(object);
}

bool object_same_id(const struct object *a, const struct object *b)
{
        return a->id_length == b->id_length && (a->id_length == 0 || memcmp(a->id, b->id, a->id_length) == 0);
}

bool object_same_label(const struct object *a, const struct object *b)
{
        return a->label_length == b->label_length && memcmp(a->label, b->label, a->label_length) == 0;
}

bool object_same(const struct object *a, const struct object *b)
{
        bool same = a->class == b->class && object_same_id(a, b) && object_same_label(a, b) &&
                    a->listable == b->listable && a->key_type == b->key_type && a->size == b->size &&
                    a->usage == b->usage && a->flags == b->flags;

        if (same && a->der && b->der)
                same = a->der_length == b->der_length && memcmp(a->der, b->der, a->der_length) == 0;
        return same;
}
