/* SPDX-License-Identifier: MPL-2.0 */
/* See object.h. */
#include "daemon/worker/core/object.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/log.h"
#include "daemon/util/secret-algorithm.h"
#include "daemon/util/spki.h"
#include "daemon/util/text.h"
#include "daemon/worker/core/attributes.h"
#include "daemon/worker/encoding/certificate.h"
#include "proto/limits.h"

/* Bytes of a label that are read; a longer one is not shown. */
#define LABEL_SIZE 1024U
/* Bytes of a modulus: RSA-16384. */
#define MODULUS_SIZE 2048U
/* Mechanisms of CKA_ALLOWED_MECHANISMS: PKCS #11 has some 20 for a key of a type. */
#define ALLOWED_MAX 128U
/* Bytes of a certificate: it must fit into one message with its other fields. */
#define CERTIFICATE_MAX (100U * 1024U)

static int keep_names(struct object *object, const CK_ATTRIBUTE *id, const CK_ATTRIBUTE *label)
{
        struct der i = attribute_bytes(id), l = attribute_bytes(label);

        object->id = malloc(i.length + 1);
        object->label = malloc(l.length + 1);
        if (!object->id || !object->label)
                return -ENOMEM;
        memcpy(object->id, i.data, i.length);
        object->id_length = i.length;
        /* Programs store a label with the NUL that ends it in C, or with those that fill a field. */
        l.length = text_without_nuls((const char *)l.data, l.length);
        memcpy(object->label, l.data, l.length);
        object->label[l.length] = '\0';
        object->label_length = l.length;
        return 0;
}

/* A label that is too long must not count as an empty one, which would give the key the name of its
 * certificate. One byte that cannot be listed stands for it. */
static void mark_long_label(CK_ATTRIBUTE *label)
{
        if (label->ulValueLen == ATTRIBUTE_TOO_LONG) {
                ((char *)label->pValue)[0] = '\x01';
                label->ulValueLen = 1;
        }
}

static int read_rsa(struct session *session, struct object *object)
{
        uint8_t modulus[MODULUS_SIZE], exponent[MODULUS_SIZE];
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_MODULUS, modulus, sizeof(modulus)),
                ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)),
        };
        struct der n;
        int r = attributes_read(session, object->handle, attributes, ARRAY_SIZE(attributes));

        if (r != 0)
                return r;
        n = der_unsigned(attribute_bytes(&attributes[0]));
        object->size = spki_modulus_bits(n);
        r = spki_from_rsa(n, attribute_bytes(&attributes[1]), &object->der, &object->der_length);
        if (r != -EINVAL || n.length == 0)
                return r == -EINVAL ? 0 : r;
        /* A private key may lack the exponent: then its public key or its certificate has it, with the same
         * modulus. */
        object->modulus = malloc(n.length);
        if (!object->modulus)
                return -ENOMEM;
        memcpy(object->modulus, n.data, n.length);
        object->modulus_length = n.length;
        return 0;
}

int object_read_point(struct session *session, const struct object *object, uint8_t **ret, size_t *ret_length)
{
        uint8_t point[256];
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_EC_POINT, point, sizeof(point));
        int r = attributes_read(session, object->handle, &attribute, 1);

        if (r == 0)
                r = spki_from_point(object->size, attribute_bytes(&attribute), ret, ret_length);
        return r == -EINVAL ? 0 : r;
}

static int read_curve(struct session *session, struct object *object)
{
        uint8_t params[64];
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_EC_PARAMS, params, sizeof(params));
        int r = attributes_read(session, object->handle, &attribute, 1);
        bool edwards = object->key_type == KEY_ED25519;

        if (r != 0)
                return r;
        object->size = spki_curve_bits(attribute_bytes(&attribute));
        if ((object->size == 255) != edwards)
                object->size = 0;
        if (object->class != CKO_PUBLIC_KEY || object->size == 0)
                return 0;
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

/* The attributes of a private or secret key, and the bit of ours for each. */
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
        /* Of secret keys alone. */
        {CKA_ENCRYPT, USAGE_ENCRYPT, 0},
        {CKA_WRAP, USAGE_WRAP, 0},
};
#define N_PRIVATE_BITS (ARRAY_SIZE(bits) - 2)

/* The first n of these bits. */
static int read_bits(struct session *session, struct object *object, size_t n)
{
        CK_BBOOL values[ARRAY_SIZE(bits)] = {0};
        CK_ATTRIBUTE attributes[ARRAY_SIZE(bits)];
        int r;

        for (size_t i = 0; i < n; i++)
                attributes[i] = (CK_ATTRIBUTE)ATTRIBUTE(bits[i].type, &values[i], sizeof(CK_BBOOL));
        r = attributes_read(session, object->handle, attributes, n);
        for (size_t i = 0; r == 0 && i < n; i++)
                if (attribute_is_true(&attributes[i])) {
                        object->usage |= bits[i].usage;
                        object->flags |= bits[i].flag;
                }
        return r;
}

/* A list that is longer than any token has says nothing: the token itself refuses what it does not allow. */
static int keep_allowed(struct object *object, const CK_ATTRIBUTE *attribute)
{
        struct der list = attribute_bytes(attribute);

        if (list.length == 0 || list.length % sizeof(CK_MECHANISM_TYPE) != 0)
                return 0;
        object->allowed = malloc(list.length);
        if (!object->allowed)
                return -ENOMEM;
        memcpy(object->allowed, list.data, list.length);
        object->n_allowed = list.length / sizeof(CK_MECHANISM_TYPE);
        return 0;
}

static int read_private(struct session *session, struct object *object)
{
        CK_BBOOL value = CK_FALSE;
        CK_MECHANISM_TYPE allowed[ALLOWED_MAX];
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_ALWAYS_AUTHENTICATE, &value, sizeof(value)),
                ATTRIBUTE(CKA_ALLOWED_MECHANISMS, allowed, sizeof(allowed)),
        };
        int r = read_bits(session, object, N_PRIVATE_BITS);

        /* By themselves, because older tokens do not know them. */
        if (r == 0)
                r = attributes_read(session, object->handle, attributes, ARRAY_SIZE(attributes));
        if (r != 0)
                return r;
        object->always_authenticate = attribute_is_true(&attributes[0]);
        return keep_allowed(object, &attributes[1]);
}

/* DES keys have no CKA_VALUE_LEN. */
static int read_secret(struct session *session, struct object *object, const CK_ATTRIBUTE *type)
{
        CK_ULONG length = 0;
        CK_ATTRIBUTE attribute = ATTRIBUTE(CKA_VALUE_LEN, &length, sizeof(length));
        CK_KEY_TYPE key_type;
        int r;

        if (type->ulValueLen != sizeof(key_type))
                return 0;
        memcpy(&key_type, type->pValue, sizeof(key_type));
        object->key_type = secret_type_from_key_type(key_type);
        if (object->key_type == 0)
                return 0;
        r = attributes_read(session, object->handle, &attribute, 1);
        if (r == 0)
                r = read_bits(session, object, ARRAY_SIZE(bits));
        if (object->key_type == SECRET_DES2 || object->key_type == SECRET_DES3)
                object->size = object->key_type == SECRET_DES2 ? 16 : 24;
        else if (attribute.ulValueLen == sizeof(length) && length <= UINT32_MAX)
                object->size = (unsigned)length;
        object->listable = object->size != 0;
        return r;
}

static int read_key(struct session *session, struct object *object, const CK_ATTRIBUTE *type)
{
        int r;

        object->key_type = type_of(type);
        if (object->key_type == 0)
                return 0;
        r = object->key_type == KEY_RSA ? read_rsa(session, object) : read_curve(session, object);
        if (r == 0 && object->class == CKO_PRIVATE_KEY)
                r = read_private(session, object);
        object->listable = object->size != 0;
        return r;
}

static uint64_t not_before(struct der der)
{
        struct certificate certificate;

        if (!certificate_parse(der, &certificate) || (certificate.odd && certificate.not_before_usec == 0))
                return UINT64_MAX;
        return certificate.not_before_usec;
}

/* The value, and whether CKA_SUBJECT is as tokend writes it. size: bytes of the value. */
static int read_value(struct session *session, struct object *object, size_t size)
{
        /* The subject is a part of the value, or that with a longer head. */
        size_t subject_size = size + 8;
        _cleanup_(freep) uint8_t *subject = malloc(subject_size);
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_VALUE, NULL, size), ATTRIBUTE(CKA_SUBJECT, subject, subject_size)};
        int r;

        object->der = attributes[0].pValue = malloc(size);
        if (!object->der || !subject)
                return -ENOMEM;
        r = attributes_read(session, object->handle, attributes, ARRAY_SIZE(attributes));
        if (r == 0 && attribute_was_read(&attributes[0])) {
                object->der_length = certificate_length((struct der){object->der, attributes[0].ulValueLen});
                object->not_before_usec = not_before((struct der){object->der, object->der_length});
        }
        if (r == 0 && attribute_was_read(&attributes[1]))
                object->apart = certificate_is_apart((struct der){subject, attributes[1].ulValueLen});
        return r;
}

static int read_certificate(struct session *session, struct object *object)
{
        CK_ATTRIBUTE value = ATTRIBUTE(CKA_VALUE, NULL, 0);
        int r = P11(session, C_GetAttributeValue, session->handle, object->handle, &value, 1);

        /* Whatever it is: what bears a nickname is listed, so that it can be deleted. */
        object->listable = true;
        object->not_before_usec = UINT64_MAX;
        if (attributes_are_meant(session, r))
                return 0;
        if (r != 0 || value.ulValueLen == 0 || value.ulValueLen > CERTIFICATE_MAX)
                return r;
        return read_value(session, object, value.ulValueLen);
}

/* Fills in what can be read, whatever it returns. */
static int read_object(struct session *session, struct object *object)
{
        bool is_certificate = object->class == CKO_CERTIFICATE;
        uint8_t id[LIMIT_KEY_ID];
        char label[LABEL_SIZE];
        CK_KEY_TYPE type = 0;
        CK_ATTRIBUTE attributes[] = {
                ATTRIBUTE(CKA_ID, id, sizeof(id)),
                ATTRIBUTE(CKA_LABEL, label, sizeof(label)),
                ATTRIBUTE(CKA_KEY_TYPE, &type, sizeof(type)),
        };
        /* A certificate of another type than X.509 is one that is not understood. */
        size_t n = ARRAY_SIZE(attributes) - (is_certificate ? 1 : 0);
        int names, r = attributes_read(session, object->handle, attributes, n);

        mark_long_label(&attributes[1]);
        names = keep_names(object, &attributes[0], &attributes[1]);
        if (r == 0)
                r = names;
        if (r == 0 && object->class == CKO_SECRET_KEY)
                r = read_secret(session, object, &attributes[2]);
        else if (r == 0 && !is_certificate)
                r = read_key(session, object, &attributes[2]);
        else if (r == 0)
                r = read_certificate(session, object);
        /* Longer than LIMIT_KEY_ID. */
        if (attributes[0].ulValueLen == ATTRIBUTE_TOO_LONG)
                object->listable = false;
        return r;
}

int object_read(struct session *session, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, struct object **ret)
{
        _cleanup_(object_freep) struct object *object = calloc(1, sizeof(*object));
        int r;

        if (!object)
                return -ENOMEM;
        object->class = class;
        object->handle = handle;
        r = read_object(session, object);
        if (attributes_object_is_meant(session, r)) {
                object->unreadable = session->failed.ckr;
                object->listable = false;
                r = 0;
        }
        if (r == 0)
                *ret = TAKE_PTR(object);
        return r;
}

void object_say_unreadable(struct session *session, const struct object *object, bool was_readable)
{
        static const char *const classes[] = {[CKO_PRIVATE_KEY] = "private key",
                [CKO_PUBLIC_KEY] = "public key",
                [CKO_SECRET_KEY] = "secret key",
                [CKO_CERTIFICATE] = "certificate"};
        bool listable = text_is_listable(object->label, object->label_length);
        char name[CKR_TEXT];

        log_warning("token %s: the %s with the handle %lu%s%s cannot be read: %s (C_GetAttributeValue); %s",
                session->token->config->name, classes[object->class], object->handle,
                listable ? " and the label " : "", listable ? object->label : "",
                ckr_text(object->unreadable, name),
                was_readable ? "it stays as it was read before" : "it is not listed, the others are");
}

void object_free(struct object *object)
{
        if (!object)
                return;
        free(object->id);
        free(object->label);
        free(object->der);
        free(object->modulus);
        free(object->allowed);
        free(object->sent_names);
        free(object);
}

bool object_is_reserved(const struct object *object)
{
        return object->class == CKO_SECRET_KEY &&
               strncmp(object->label, OBJECT_RESERVED, strlen(OBJECT_RESERVED)) == 0;
}

bool object_has_label(const struct object *object, const char *label)
{
        return object->label_length == strlen(label) &&
               memcmp(object->label, label, object->label_length) == 0;
}

bool object_has_mark(const struct object *object, struct wire_bytes marks)
{
        return object->class == CKO_CERTIFICATE &&
               certificate_has_mark(
                       (struct der){object->der, object->der_length}, (struct der){marks.data, marks.length});
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
        bool same = a->class == b->class && !a->unreadable == !b->unreadable && object_same_id(a, b) &&
                    object_same_label(a, b) && a->listable == b->listable && a->key_type == b->key_type &&
                    a->size == b->size && a->usage == b->usage && a->flags == b->flags &&
                    a->apart == b->apart && a->n_allowed == b->n_allowed;

        if (same && a->n_allowed > 0)
                same = memcmp(a->allowed, b->allowed, a->n_allowed * sizeof(*a->allowed)) == 0;

        if (same && a->der && b->der)
                same = a->der_length == b->der_length && memcmp(a->der, b->der, a->der_length) == 0;
        return same;
}
