/* SPDX-License-Identifier: MPL-2.0 */
/* See object.h: the life of an object, and what all objects of the catalogue have. */
#include "client/pkcs11/object.h"

#include <string.h>

#include "daemon/util/secret-algorithm.h"
#include "daemon/util/text.h"

struct p11_object *object_new(CK_OBJECT_CLASS class, CK_SLOT_ID slot)
{
        struct p11_object *object = calloc(1, sizeof(*object));

        if (!object)
                return NULL;
        object->refs = 1;
        object->class = class;
        object->slot = slot;
        object->key_type = CK_UNAVAILABLE_INFORMATION;
        attributes_add_ulong(&object->attributes, CKA_CLASS, class);
        return object;
}

struct p11_object *object_ref(struct p11_object *object)
{
        atomic_fetch_add(&object->refs, 1);
        return object;
}

void object_unref(struct p11_object *object)
{
        if (!object || atomic_fetch_sub(&object->refs, 1) != 1)
                return;
        /* A sealed key is the key, for whoever may ask the daemon. */
        if (object->name)
                explicit_bzero(object->name, strlen(object->name));
        free(object->name);
        free(object->spki);
        attributes_wipe(&object->attributes);
        free(object);
}

struct p11_object *object_copy(const struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        _cleanup_(object_unrefp) struct p11_object *copy = calloc(1, sizeof(*copy));

        if (!copy)
                return NULL;
        copy->refs = 1;
        copy->class = object->class;
        copy->slot = object->slot;
        copy->key_type = object->key_type;
        copy->bits = object->bits;
        copy->usage = object->usage;
        copy->hidden = object->hidden;
        copy->secret_type = object->secret_type;
        copy->length = object->length;
        copy->sealed = object->sealed;
        copy->name = object->name ? strdup(object->name) : NULL;
        copy->spki = object->spki ? malloc(object->spki_length) : NULL;
        if ((object->name && !copy->name) || (object->spki && !copy->spki))
                return NULL;
        if (object->spki)
                memcpy(copy->spki, object->spki, object->spki_length);
        copy->spki_length = object->spki_length;
        attributes_copy(&copy->attributes, &object->attributes, template, n);
        return attributes_failed(&copy->attributes) ? NULL : TAKE_PTR(copy);
}

/* Of private keys: CKR_ATTRIBUTE_SENSITIVE says that there is a value, and that nobody gets it. */
bool object_hides(const struct p11_object *object, CK_ATTRIBUTE_TYPE type)
{
        switch (type) {
        case CKA_PRIVATE_EXPONENT:
        case CKA_PRIME_1:
        case CKA_PRIME_2:
        case CKA_EXPONENT_1:
        case CKA_EXPONENT_2:
        case CKA_COEFFICIENT:
                return object->class == CKO_PRIVATE_KEY && object->key_type == CKK_RSA;
        case CKA_VALUE:
                return (object->class == CKO_SECRET_KEY && object->hidden) ||
                       (object->class == CKO_PRIVATE_KEY && object->key_type != CKK_RSA);
        default:
                return false;
        }
}

void put_percent(struct buffer *out, const void *bytes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                buffer_put_format(out, "%%%02x", ((const unsigned char *)bytes)[i]);
}

/* How much of the end of its public key, or of a certificate, tells an object from one that was made anew under its name and id. */
#define TAIL_LENGTH 16U

/* By its CKA_ID, which stays when the key is renamed; by its nickname if it has none. A secret, which is not renamed, by both. */
static char *name_of(const char *uri, const char *nickname, const unsigned char *id, size_t id_length,
        struct der der, bool secret)
{
        size_t tail = MIN_OF(der.length, (size_t)TAIL_LENGTH);
        _cleanup_(buffer_done) struct buffer out = {0};

        buffer_put_text(&out, uri);
        if (id_length > 0) {
                buffer_put_text(&out, ";id=");
                put_percent(&out, id, id_length);
        }
        if (id_length == 0 || secret) {
                buffer_put_text(&out, ";object=");
                put_percent(&out, nickname, strlen(nickname));
        }
        if (tail > 0) {
                buffer_put_text(&out, ";x-der-tail=");
                put_percent(&out, der.data + der.length - tail, tail);
        }
        return buffer_take(&out);
}

/* CKA_ID and the name; false: no memory, or an id that is not hexadecimal. der: its public key, or the certificate. */
static bool identify(struct p11_object *object, struct object_place where, const char *nickname,
        const char *id, struct der der)
{
        size_t length = strlen(id) / 2;
        _cleanup_(freep) unsigned char *bytes = malloc(length + 1);

        if (!bytes || !text_unhex(id, length, bytes))
                return false;
        attributes_add(&object->attributes, CKA_ID, bytes, length);
        object->name = name_of(where.uri, nickname, bytes, length, der, object->class == CKO_SECRET_KEY);
        return object->name;
}

/* What every object on a token has. */
static void put_storage(struct p11_object *object, const char *label, bool private)
{
        struct attributes *attributes = &object->attributes;

        attributes_add_bool(attributes, CKA_TOKEN, true);
        attributes_add_bool(attributes, CKA_PRIVATE, private);
        attributes_add_bool(attributes, CKA_MODIFIABLE, true);
        attributes_add_bool(attributes, CKA_COPYABLE, false);
        attributes_add_bool(attributes, CKA_DESTROYABLE, true);
        attributes_add_text(attributes, CKA_LABEL, label);
}

static struct p11_object *finish(struct p11_object **object, bool valid)
{
        return valid && !attributes_failed(&(*object)->attributes) ? TAKE_PTR(*object) : NULL;
}

/* ---- keys ---- */

bool object_put_public(struct p11_object *object, const unsigned char *spki, size_t length)
{
        struct attributes *attributes = &object->attributes;
        struct der key, modulus, exponent;
        uint8_t head[5];
        size_t n;

        object->spki = malloc(length);
        if (!object->spki)
                return false;
        memcpy(object->spki, spki, length);
        object->spki_length = length;
        attributes_add(attributes, CKA_PUBLIC_KEY_INFO, spki, length);
        switch (spki_key_type((struct der){spki, length}, &object->bits, &key)) {
        case KEY_RSA:
                if (!spki_rsa(key, &modulus, &exponent))
                        return true;
                attributes_add(attributes, CKA_MODULUS, modulus.data, modulus.length);
                attributes_add(attributes, CKA_PUBLIC_EXPONENT, exponent.data, exponent.length);
                if (object->class == CKO_PUBLIC_KEY)
                        attributes_add_ulong(attributes, CKA_MODULUS_BITS, object->bits);
                return true;
        case KEY_EC:
        case KEY_ED25519: {
                struct der params = spki_curve_params(object->bits);
                _cleanup_(buffer_done) struct buffer point = {0};

                n = der_head(head, DER_TAG_OCTET_STRING, key.length);
                buffer_put(&point, head, n);
                buffer_put(&point, key.data, key.length);
                attributes_add(attributes, CKA_EC_PARAMS, params.data, params.length);
                attributes_add(attributes, CKA_EC_POINT, point.data, point.length);
                return !point.failed;
        }
        default:
                return true;
        }
}

static CK_KEY_TYPE key_type_of(const char *type)
{
        switch (key_type_from_name(type)) {
        case KEY_RSA:
                return CKK_RSA;
        case KEY_EC:
                return CKK_EC;
        case KEY_ED25519:
                return CKK_EC_EDWARDS;
        default:
                return CK_UNAVAILABLE_INFORMATION;
        }
}

/* What both halves have. */
static struct p11_object *new_key(
        CK_OBJECT_CLASS class, struct object_place where, const struct tokend_key *key)
{
        _cleanup_(object_unrefp) struct p11_object *object = object_new(class, where.slot);
        bool valid;

        if (!object)
                return NULL;
        object->key_type = key_type_of(key->type);
        object->bits = (unsigned)key->size;
        object->usage = key->usage;
        attributes_add_ulong(&object->attributes, CKA_KEY_TYPE, object->key_type);
        put_storage(object, key->nickname, class == CKO_PRIVATE_KEY);
        attributes_add(&object->attributes, CKA_SUBJECT, NULL, 0);
        attributes_add(&object->attributes, CKA_START_DATE, NULL, 0);
        attributes_add(&object->attributes, CKA_END_DATE, NULL, 0);
        attributes_add_bool(&object->attributes, CKA_LOCAL, key->local);
        attributes_add_bool(&object->attributes, CKA_DERIVE, key->usage & TOKEND_USAGE_DERIVE);
        valid = identify(
                object, where, key->nickname, key->id, (struct der){key->public_key, key->public_key_length});
        if (key->public_key_length > 0)
                valid = valid && object_put_public(object, key->public_key, key->public_key_length);
        return finish(&object, valid);
}

struct p11_object *object_private_key(struct object_place where, const struct tokend_key *key)
{
        _cleanup_(object_unrefp) struct p11_object *object = new_key(CKO_PRIVATE_KEY, where, key);
        struct attributes *attributes;

        if (!object)
                return NULL;
        attributes = &object->attributes;
        attributes_add_bool(attributes, CKA_SIGN, key->usage & TOKEND_USAGE_SIGN);
        attributes_add_bool(attributes, CKA_SIGN_RECOVER, false);
        attributes_add_bool(attributes, CKA_DECRYPT, key->usage & TOKEND_USAGE_DECRYPT);
        attributes_add_bool(attributes, CKA_UNWRAP, key->usage & TOKEND_USAGE_UNWRAP);
        attributes_add_bool(attributes, CKA_SENSITIVE, key->sensitive);
        attributes_add_bool(attributes, CKA_ALWAYS_SENSITIVE, key->sensitive && key->local);
        attributes_add_bool(attributes, CKA_EXTRACTABLE, key->extractable);
        attributes_add_bool(attributes, CKA_NEVER_EXTRACTABLE, key->never_extractable);
        attributes_add_bool(attributes, CKA_ALWAYS_AUTHENTICATE, false);
        attributes_add_bool(attributes, CKA_WRAP_WITH_TRUSTED, false);
        return finish(&object, true);
}

struct p11_object *object_public_key(struct object_place where, const struct tokend_key *key)
{
        _cleanup_(object_unrefp) struct p11_object *object = new_key(CKO_PUBLIC_KEY, where, key);
        struct attributes *attributes;

        if (!object)
                return NULL;
        attributes = &object->attributes;
        attributes_add_bool(attributes, CKA_VERIFY, key->usage & TOKEND_USAGE_SIGN);
        attributes_add_bool(attributes, CKA_VERIFY_RECOVER, false);
        attributes_add_bool(attributes, CKA_ENCRYPT, key->usage & TOKEND_USAGE_DECRYPT);
        attributes_add_bool(attributes, CKA_WRAP, key->usage & TOKEND_USAGE_UNWRAP);
        attributes_add_bool(attributes, CKA_TRUSTED, false);
        return finish(&object, true);
}

static const struct usage_attribute usages[] = {{CKA_SIGN, TOKEND_USAGE_SIGN, "sign"},
        {CKA_DECRYPT, TOKEND_USAGE_DECRYPT, "decrypt"}, {CKA_UNWRAP, TOKEND_USAGE_UNWRAP, "unwrap"},
        {CKA_DERIVE, TOKEND_USAGE_DERIVE, "derive"}, {CKA_ENCRYPT, TOKEND_USAGE_ENCRYPT, "encrypt"},
        {CKA_WRAP, TOKEND_USAGE_WRAP, "wrap"}};

const struct usage_attribute *usage_attribute_at(size_t i)
{
        return i < ARRAY_SIZE(usages) ? &usages[i] : NULL;
}

void object_put_usage(struct p11_object *object)
{
        const struct usage_attribute *row;

        for (size_t i = 0; (row = usage_attribute_at(i)); i++)
                attributes_add_bool(&object->attributes, row->attribute, object->usage & row->usage);
        if (object->class == CKO_SECRET_KEY)
                attributes_add_bool(&object->attributes, CKA_VERIFY, object->usage & TOKEND_USAGE_SIGN);
}

struct p11_object *object_secret_key(struct object_place where, const struct tokend_secret *secret)
{
        _cleanup_(object_unrefp) struct p11_object *object = object_new(CKO_SECRET_KEY, where.slot);
        const struct secret_type_info *info;
        struct attributes *attributes;

        if (!object)
                return NULL;
        object->secret_type = secret_type_from_name(secret->type);
        info = secret_type_info(object->secret_type);
        object->key_type = info ? info->key_type : CK_UNAVAILABLE_INFORMATION;
        object->length = (size_t)secret->length;
        object->usage = secret->usage;
        object->hidden = true;
        attributes = &object->attributes;
        attributes_add_ulong(attributes, CKA_KEY_TYPE, object->key_type);
        attributes_add_ulong(attributes, CKA_VALUE_LEN, object->length);
        put_storage(object, secret->nickname, true);
        attributes_add(attributes, CKA_START_DATE, NULL, 0);
        attributes_add(attributes, CKA_END_DATE, NULL, 0);
        attributes_add_bool(attributes, CKA_SENSITIVE, secret->sensitive);
        attributes_add_bool(attributes, CKA_ALWAYS_SENSITIVE, secret->sensitive && secret->local);
        attributes_add_bool(attributes, CKA_EXTRACTABLE, secret->extractable);
        attributes_add_bool(attributes, CKA_NEVER_EXTRACTABLE, secret->never_extractable);
        attributes_add_bool(attributes, CKA_LOCAL, secret->local);
        object_put_usage(object);
        return finish(&object, identify(object, where, secret->nickname, secret->id, (struct der){0}));
}

/* ---- certificates and profiles ---- */

/* The parts of a certificate that programs look for, whole: serialNumber, issuer, subject. false: it is none that can be read. */
static bool cut_certificate(
        struct der der, struct der *ret_serial, struct der *ret_issuer, struct der *ret_subject)
{
        struct der certificate, tbs, ignored;

        if (!der_take(&der, DER_TAG_SEQUENCE, &certificate) ||
                !der_take(&certificate, DER_TAG_SEQUENCE, &tbs))
                return false;
        (void)der_take(&tbs, DER_TAG_CONTEXT_0, &ignored);
        return der_take_whole(&tbs, DER_TAG_INTEGER, ret_serial) &&
               der_take(&tbs, DER_TAG_SEQUENCE, &ignored) &&
               der_take_whole(&tbs, DER_TAG_SEQUENCE, ret_issuer) &&
               der_take(&tbs, DER_TAG_SEQUENCE, &ignored) &&
               der_take_whole(&tbs, DER_TAG_SEQUENCE, ret_subject);
}

struct p11_object *object_certificate(struct object_place where, const struct tokend_certificate *certificate)
{
        _cleanup_(object_unrefp) struct p11_object *object = object_new(CKO_CERTIFICATE, where.slot);
        struct der der = {certificate->der, certificate->der_length}, serial = {0}, issuer = {0},
                   subject = {0};
        struct attributes *attributes;

        if (!object)
                return NULL;
        attributes = &object->attributes;
        (void)cut_certificate(der, &serial, &issuer, &subject);
        put_storage(object, certificate->nickname, false);
        attributes_add_ulong(attributes, CKA_CERTIFICATE_TYPE, CKC_X_509);
        attributes_add_ulong(attributes, CKA_CERTIFICATE_CATEGORY, 0);
        attributes_add_bool(attributes, CKA_TRUSTED, false);
        attributes_add(attributes, CKA_START_DATE, NULL, 0);
        attributes_add(attributes, CKA_END_DATE, NULL, 0);
        attributes_add(attributes, CKA_SUBJECT, subject.data, subject.length);
        attributes_add(attributes, CKA_ISSUER, issuer.data, issuer.length);
        attributes_add(attributes, CKA_SERIAL_NUMBER, serial.data, serial.length);
        attributes_add(attributes, CKA_VALUE, certificate->der, certificate->der_length);
        return finish(&object, identify(object, where, certificate->nickname, certificate->id, der));
}

struct p11_object *object_profile(CK_SLOT_ID slot, CK_ULONG profile)
{
        _cleanup_(object_unrefp) struct p11_object *object = object_new(CKO_PROFILE, slot);

        if (!object)
                return NULL;
        put_storage(object, "", false);
        attributes_add_ulong(&object->attributes, CKA_PROFILE_ID, profile);
        return finish(&object, true);
}
