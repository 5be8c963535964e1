/* SPDX-License-Identifier: MPL-2.0 */
/* See attribute.h. */
#include "client/pkcs11/attribute.h"

#include <string.h>

/* The value is at this offset of the values, which move while they grow. */
struct attribute {
        CK_ATTRIBUTE_TYPE type;
        size_t at, length;
};

void attributes_wipe(struct attributes *attributes)
{
        if (attributes->values.length > 0)
                explicit_bzero(attributes->values.data, attributes->values.length);
        free(attributes->list);
        buffer_done(&attributes->values);
        *attributes = (struct attributes){0};
}

void attributes_add(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, const void *value, size_t length)
{
        struct attribute *grown = reallocarray(attributes->list, attributes->n + 1, sizeof(*grown));

        if (!grown) {
                attributes->values.failed = true;
                return;
        }
        attributes->list = grown;
        grown[attributes->n++] = (struct attribute){type, attributes->values.length, length};
        if (length > 0)
                buffer_put(&attributes->values, value, length);
}

void attributes_add_text(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, const char *value)
{
        attributes_add(attributes, type, value, strlen(value));
}

void attributes_add_bool(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, bool value)
{
        CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;

        attributes_add(attributes, type, &byte, sizeof(byte));
}

void attributes_add_ulong(struct attributes *attributes, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
        attributes_add(attributes, type, &value, sizeof(value));
}

bool attributes_failed(const struct attributes *attributes)
{
        return attributes->values.failed;
}

bool attributes_get(const struct attributes *attributes, CK_ATTRIBUTE_TYPE type, const void **ret_value,
        size_t *ret_length)
{
        for (size_t i = 0; i < attributes->n; i++)
                if (attributes->list[i].type == type) {
                        *ret_value = attributes->list[i].length > 0
                                             ? attributes->values.data + attributes->list[i].at
                                             : "";
                        *ret_length = attributes->list[i].length;
                        return true;
                }
        return false;
}

void attributes_copy(struct attributes *attributes, const struct attributes *from,
        const CK_ATTRIBUTE *template, CK_ULONG n)
{
        for (CK_ULONG i = 0; i < n; i++)
                attributes_add(attributes, template[i].type, template[i].pValue, template[i].ulValueLen);
        for (size_t i = 0; i < from->n; i++)
                if (!template_find(template, n, from->list[i].type))
                        attributes_add(attributes, from->list[i].type, from->values.data + from->list[i].at,
                                from->list[i].length);
        attributes->values.failed |= from->values.failed;
}

const CK_ATTRIBUTE *template_find(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type)
{
        for (CK_ULONG i = 0; i < n; i++)
                if (template[i].type == type)
                        return &template[i];
        return NULL;
}

CK_RV template_bool(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, bool *ret)
{
        const CK_ATTRIBUTE *found = template_find(template, n, type);

        if (!found)
                return CKR_OK;
        if (found->ulValueLen != sizeof(CK_BBOOL))
                return CKR_ATTRIBUTE_VALUE_INVALID;
        *ret = *(const CK_BBOOL *)found->pValue != CK_FALSE;
        return CKR_OK;
}

CK_RV template_ulong(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, CK_ULONG *ret)
{
        const CK_ATTRIBUTE *found = template_find(template, n, type);

        if (!found)
                return CKR_OK;
        if (found->ulValueLen != sizeof(CK_ULONG))
                return CKR_ATTRIBUTE_VALUE_INVALID;
        memcpy(ret, found->pValue, sizeof(*ret));
        return CKR_OK;
}

CK_RV template_check(const CK_ATTRIBUTE *template, CK_ULONG n)
{
        if (!template && n > 0)
                return CKR_ARGUMENTS_BAD;
        for (CK_ULONG i = 0; i < n; i++)
                if (!template[i].pValue && template[i].ulValueLen > 0)
                        return CKR_ARGUMENTS_BAD;
        return CKR_OK;
}

bool attributes_match(const struct attributes *attributes, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        for (CK_ULONG i = 0; i < n; i++) {
                const void *value;
                size_t length;

                if (!attributes_get(attributes, template[i].type, &value, &length) ||
                        length != template[i].ulValueLen ||
                        (length > 0 && memcmp(value, template[i].pValue, length) != 0))
                        return false;
        }
        return true;
}
