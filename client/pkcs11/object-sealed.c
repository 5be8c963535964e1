/* SPDX-License-Identifier: MPL-2.0 */
/* See object.h: keys that the daemon gave sealed, which belong to a session, and those that are promised on a token. */
#include <string.h>

#include "client/pkcs11/asked-key.h"
#include "client/pkcs11/object.h"

/* What is as the daemon made it, whatever the template says. */
static bool put_own(struct p11_object *object, const struct tokend_sealed *sealed, bool made)
{
        struct attributes *attributes = &object->attributes;
        const unsigned char *spki;
        size_t length;

        attributes_add_ulong(attributes, CKA_KEY_TYPE, object->key_type);
        attributes_add_bool(attributes, CKA_TOKEN, !sealed);
        attributes_add_bool(attributes, CKA_PRIVATE, true);
        attributes_add_bool(attributes, CKA_SENSITIVE, true);
        attributes_add_bool(attributes, CKA_LOCAL, made);
        attributes_add_bool(attributes, CKA_ALWAYS_SENSITIVE, made);
        attributes_add_bool(attributes, CKA_NEVER_EXTRACTABLE, !sealed);
        if (!sealed)
                attributes_add_bool(attributes, CKA_EXTRACTABLE, false);
        object_put_usage(object);
        if (object->class == CKO_SECRET_KEY) {
                attributes_add_ulong(attributes, CKA_VALUE_LEN, object->length);
                return true;
        }
        attributes_add_bool(attributes, CKA_SIGN_RECOVER, false);
        attributes_add_bool(attributes, CKA_ALWAYS_AUTHENTICATE, false);
        spki = tokend_sealed_public_key(sealed, &length);
        return !spki || object_put_public(object, spki, length);
}

/* What the template says of the rest, or its default. */
static void put_rest(struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        static const CK_ATTRIBUTE_TYPE empty[] = {
                CKA_SUBJECT, CKA_LABEL, CKA_ID, CKA_START_DATE, CKA_END_DATE};
        static const CK_ATTRIBUTE_TYPE set[] = {
                CKA_MODIFIABLE, CKA_DESTROYABLE, CKA_COPYABLE, CKA_EXTRACTABLE};
        size_t n_set = object->class == CKO_PUBLIC_KEY ? 2 : ARRAY_SIZE(set), length;
        const void *value;

        for (CK_ULONG i = 0; i < n; i++)
                if (!attributes_get(&object->attributes, template[i].type, &value, &length))
                        attributes_add(&object->attributes, template[i].type, template[i].pValue,
                                template[i].ulValueLen);
        for (size_t i = object->class == CKO_SECRET_KEY; i < ARRAY_SIZE(empty); i++)
                if (!template_find(template, n, empty[i]))
                        attributes_add(&object->attributes, empty[i], NULL, 0);
        for (size_t i = 0; i < n_set; i++)
                if (!attributes_get(&object->attributes, set[i], &value, &length))
                        attributes_add_bool(&object->attributes, set[i], true);
}

CK_RV object_asked_key(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n, const struct p11_asked *key,
        const struct tokend_sealed *sealed, bool made, struct p11_object **ret)
{
        _cleanup_(object_unrefp) struct p11_object *object = object_new(key->class, slot);

        if (!object)
                return CKR_HOST_MEMORY;
        object->key_type = key->key_type;
        object->secret_type = key->type;
        object->length = (size_t)key->wanted.length;
        object->usage = key->wanted.usage;
        object->hidden = true;
        object->sealed = sealed;
        object->name = sealed ? strdup(tokend_sealed_text(sealed)) : NULL;
        if ((sealed && !object->name) || !put_own(object, sealed, made))
                return CKR_HOST_MEMORY;
        put_rest(object, template, n);
        if (attributes_failed(&object->attributes))
                return CKR_HOST_MEMORY;
        *ret = TAKE_PTR(object);
        return CKR_OK;
}

CK_RV object_sealed_public_key(CK_SLOT_ID slot, const CK_ATTRIBUTE *template, CK_ULONG n,
        const struct tokend_sealed *sealed, struct p11_object **ret)
{
        _cleanup_(object_unrefp) struct p11_object *object = object_new(CKO_PUBLIC_KEY, slot);
        const unsigned char *spki;
        struct der key;
        size_t length;

        spki = tokend_sealed_public_key(sealed, &length);
        if (!object || !spki)
                return object ? CKR_DEVICE_ERROR : CKR_HOST_MEMORY;
        object->key_type =
                spki_key_type((struct der){spki, length}, &object->bits, &key) == KEY_RSA ? CKK_RSA : CKK_EC;
        attributes_add_ulong(&object->attributes, CKA_KEY_TYPE, object->key_type);
        attributes_add_bool(&object->attributes, CKA_TOKEN, false);
        attributes_add_bool(&object->attributes, CKA_LOCAL, true);
        if (!object_put_public(object, spki, length))
                return CKR_HOST_MEMORY;
        put_rest(object, template, n);
        if (attributes_failed(&object->attributes))
                return CKR_HOST_MEMORY;
        *ret = TAKE_PTR(object);
        return CKR_OK;
}
