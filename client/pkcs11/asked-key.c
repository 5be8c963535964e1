/* SPDX-License-Identifier: MPL-2.0 */
/* See asked-key.h. */
#include "client/pkcs11/asked-key.h"

#define EVERY_CIPHER_USE                                                                                     \
        ((unsigned)(TOKEND_USAGE_ENCRYPT | TOKEND_USAGE_DECRYPT | TOKEND_USAGE_WRAP | TOKEND_USAGE_UNWRAP |  \
                    TOKEND_USAGE_DERIVE))

CK_RV asked_usage(const CK_ATTRIBUTE *template, CK_ULONG n, const struct p11_slot *slot, unsigned possible,
        unsigned by_default, unsigned *ret)
{
        const struct usage_attribute *row;
        unsigned asked = 0, allowed = 0;

        for (size_t i = 0; (row = usage_attribute_at(i)); i++) {
                bool wanted = by_default & row->usage;
                CK_RV rv = template_bool(template, n, row->attribute, &wanted);

                if (rv != CKR_OK)
                        return rv;
                if (!wanted || !(possible & row->usage))
                        continue;
                asked |= row->usage;
                if (slot_allows(slot, row->right))
                        allowed |= row->usage;
        }
        *ret = allowed ? allowed : asked;
        return CKR_OK;
}

CK_ULONG key_type_length(CK_KEY_TYPE type)
{
        switch (type) {
        case CKK_DES:
                return 8;
        case CKK_DES2:
                return 16;
        case CKK_DES3:
                return 24;
        default:
                return 0;
        }
}

/* The number that the template has, which may not differ from what is known of it. */
static CK_RV take_number(
        const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, CK_ULONG known, CK_ULONG *ret)
{
        CK_ULONG given = known;
        CK_RV rv = template_ulong(template, n, type, &given);

        if (rv != CKR_OK)
                return rv;
        if (given == CK_UNAVAILABLE_INFORMATION)
                return CKR_TEMPLATE_INCOMPLETE;
        if (known != CK_UNAVAILABLE_INFORMATION && given != known)
                return CKR_TEMPLATE_INCONSISTENT;
        *ret = given;
        return CKR_OK;
}

static CK_RV take_length(struct p11_asked *key, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        CK_ULONG fixed = key_type_length(key->key_type), length = fixed;
        CK_RV rv = template_ulong(template, n, CKA_VALUE_LEN, &length);

        if (rv != CKR_OK)
                return rv;
        if (fixed > 0 && length == 0)
                length = fixed;
        if ((fixed > 0 && length != fixed) || (length > 0 && !secret_size_fits(key->type, (unsigned)length)))
                return CKR_ATTRIBUTE_VALUE_INVALID;
        key->wanted.length = (int)length;
        return CKR_OK;
}

/* Keys that pass through are RSA and EC, and what ciphers use. */
static CK_RV take_type(struct p11_asked *key)
{
        if (key->class == CKO_SECRET_KEY) {
                key->type = secret_type_from_key_type(key->key_type);
                if (key->type == 0)
                        key->type = SECRET_GENERIC;
        } else if (key->class == CKO_PRIVATE_KEY && key->key_type == CKK_RSA) {
                key->type = SECRET_RSA;
        } else if (key->class == CKO_PRIVATE_KEY && key->key_type == CKK_EC) {
                key->type = SECRET_EC;
        } else {
                return CKR_TEMPLATE_INCONSISTENT;
        }
        key->wanted.struct_size = sizeof(key->wanted);
        key->wanted.type = secret_type_info(key->type)->name;
        return CKR_OK;
}

static CK_RV check_protection(struct p11_asked *key, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        bool sensitive = true, extractable = false;
        CK_RV rv = template_bool(template, n, CKA_TOKEN, &key->on_token);

        if (rv == CKR_OK)
                rv = template_bool(template, n, CKA_SENSITIVE, &sensitive);
        if (rv == CKR_OK)
                rv = template_bool(template, n, CKA_EXTRACTABLE, &extractable);
        if (rv != CKR_OK)
                return rv;
        return sensitive && !(key->on_token && extractable) ? CKR_OK : CKR_TEMPLATE_INCONSISTENT;
}

CK_RV asked_key_take(const CK_ATTRIBUTE *template, CK_ULONG n, const struct p11_slot *slot,
        CK_OBJECT_CLASS class, CK_KEY_TYPE key_type, struct p11_asked *key)
{
        CK_RV rv;

        *key = (struct p11_asked){0};
        rv = take_number(template, n, CKA_CLASS, class, &key->class);
        if (rv == CKR_OK)
                rv = take_number(template, n, CKA_KEY_TYPE, key_type, &key->key_type);
        if (rv == CKR_OK)
                rv = take_type(key);
        if (rv == CKR_OK)
                rv = check_protection(key, template, n);
        if (rv == CKR_OK && key->class == CKO_SECRET_KEY)
                rv = take_length(key, template, n);
        if (rv != CKR_OK)
                return rv;
        /* What is not said may be done: programs derive a key for one use and then encrypt with it, as softoken lets them. */
        return asked_usage(template, n, slot, secret_type_info(key->type)->usages,
                key->class == CKO_SECRET_KEY ? EVERY_CIPHER_USE : ~0U, &key->wanted.usage);
}
