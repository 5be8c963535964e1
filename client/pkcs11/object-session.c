/* SPDX-License-Identifier: MPL-2.0 */
/* See object.h: what a session has for itself: public keys to verify or to wrap with, and secrets that were derived. */
#include <string.h>

#include "client/pkcs11/asked-key.h"
#include "client/pkcs11/object.h"

static struct der value_of(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type)
{
        const CK_ATTRIBUTE *found = template_find(template, n, type);

        return found ? (struct der){found->pValue, found->ulValueLen} : (struct der){0};
}

/* CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_HOST_MEMORY. */
static CK_RV make_spki(struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        struct der one, two;
        int r;

        if (object->key_type == CKK_RSA) {
                one = value_of(template, n, CKA_MODULUS);
                two = value_of(template, n, CKA_PUBLIC_EXPONENT);
                if (one.length == 0 || two.length == 0)
                        return CKR_TEMPLATE_INCOMPLETE;
                r = spki_from_rsa(one, two, &object->spki, &object->spki_length);
        } else {
                one = value_of(template, n, CKA_EC_PARAMS);
                two = value_of(template, n, CKA_EC_POINT);
                if (one.length == 0 || two.length == 0)
                        return CKR_TEMPLATE_INCOMPLETE;
                r = spki_from_point(spki_curve_bits(one), two, &object->spki, &object->spki_length);
        }
        if (r < 0)
                return r == -ENOMEM ? CKR_HOST_MEMORY : CKR_ATTRIBUTE_VALUE_INVALID;
        return CKR_OK;
}

struct flag_default {
        CK_ATTRIBUTE_TYPE type;
        bool value;
};

/* What was given stands as it was given; what was not has its default. */
static void put_given(struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n,
        const struct flag_default *defaults, size_t n_defaults)
{
        static const CK_ATTRIBUTE_TYPE empty[] = {CKA_LABEL, CKA_ID};

        for (CK_ULONG i = 0; i < n; i++)
                if (template[i].type != CKA_CLASS && template[i].type != CKA_VALUE_LEN &&
                        template[i].type != CKA_VALUE) /* which follows */
                        attributes_add(&object->attributes, template[i].type, template[i].pValue,
                                template[i].ulValueLen);
        for (size_t i = 0; i < n_defaults; i++)
                if (!template_find(template, n, defaults[i].type))
                        attributes_add_bool(&object->attributes, defaults[i].type, defaults[i].value);
        for (size_t i = 0; i < ARRAY_SIZE(empty); i++)
                if (!template_find(template, n, empty[i]))
                        attributes_add(&object->attributes, empty[i], NULL, 0);
}

CK_RV object_session_public_key(
        CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n, struct p11_object **ret)
{
        static const struct flag_default defaults[] = {{CKA_TOKEN, false}, {CKA_PRIVATE, false},
                {CKA_MODIFIABLE, true}, {CKA_COPYABLE, false}, {CKA_DESTROYABLE, true}, {CKA_LOCAL, false},
                {CKA_VERIFY, true}, {CKA_ENCRYPT, true}, {CKA_WRAP, true}, {CKA_DERIVE, false}};
        _cleanup_(object_unrefp) struct p11_object *object = object_new(CKO_PUBLIC_KEY, slot);
        CK_ULONG type = CK_UNAVAILABLE_INFORMATION;
        struct der key;
        CK_RV rv;

        if (!object)
                return CKR_HOST_MEMORY;
        rv = template_ulong(template, n, CKA_KEY_TYPE, &type);
        if (rv != CKR_OK)
                return rv;
        if (type == CK_UNAVAILABLE_INFORMATION)
                return CKR_TEMPLATE_INCOMPLETE;
        if (type != CKK_RSA && type != CKK_EC && type != CKK_EC_EDWARDS)
                return CKR_ATTRIBUTE_VALUE_INVALID;
        object->key_type = type;
        rv = make_spki(object, template, n);
        if (rv != CKR_OK)
                return rv;
        (void)spki_key_type((struct der){object->spki, object->spki_length}, &object->bits, &key);
        put_given(object, template, n, defaults, ARRAY_SIZE(defaults));
        if (type == CKK_RSA && !template_find(template, n, CKA_MODULUS_BITS))
                attributes_add_ulong(&object->attributes, CKA_MODULUS_BITS, object->bits);
        if (attributes_failed(&object->attributes))
                return CKR_HOST_MEMORY;
        *ret = TAKE_PTR(object);
        return CKR_OK;
}

CK_RV object_session_secret(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n,
        const unsigned char *secret, size_t length, struct p11_object **ret)
{
        static const struct flag_default defaults[] = {{CKA_TOKEN, false}, {CKA_PRIVATE, true},
                {CKA_MODIFIABLE, true}, {CKA_COPYABLE, false}, {CKA_DESTROYABLE, true}, {CKA_LOCAL, false},
                {CKA_SENSITIVE, false}, {CKA_EXTRACTABLE, true}, {CKA_ALWAYS_SENSITIVE, false},
                {CKA_NEVER_EXTRACTABLE, false}};
        _cleanup_(object_unrefp) struct p11_object *object = object_new(CKO_SECRET_KEY, slot);
        CK_ULONG type = CKK_GENERIC_SECRET, wanted = 0;
        CK_RV rv;

        if (!object)
                return CKR_HOST_MEMORY;
        rv = template_ulong(template, n, CKA_KEY_TYPE, &type);
        if (rv == CKR_OK)
                rv = template_ulong(template, n, CKA_VALUE_LEN, &wanted);
        if (rv == CKR_OK)
                rv = template_bool(template, n, CKA_SENSITIVE, &object->hidden);
        if (rv != CKR_OK)
                return rv;
        if (wanted == 0)
                wanted = key_type_length(type) > 0 ? key_type_length(type) : length;
        if (wanted > length)
                return CKR_TEMPLATE_INCONSISTENT;
        object->key_type = type;
        if (!template_find(template, n, CKA_KEY_TYPE))
                attributes_add_ulong(&object->attributes, CKA_KEY_TYPE, type);
        put_given(object, template, n, defaults, ARRAY_SIZE(defaults));
        attributes_add_ulong(&object->attributes, CKA_VALUE_LEN, wanted);
        /* Last, so that the list does not move it, and leave a copy where it was. */
        attributes_add(&object->attributes, CKA_VALUE, secret + (length - wanted), wanted);
        if (attributes_failed(&object->attributes))
                return CKR_HOST_MEMORY;
        *ret = TAKE_PTR(object);
        return CKR_OK;
}
