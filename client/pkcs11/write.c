/* SPDX-License-Identifier: MPL-2.0 */
/* See write.h. */
#include "client/pkcs11/write.h"

#include <string.h>

#include "daemon/util/text.h"
#include "proto/limits.h"

CK_RV writable_slot(struct module *module, CK_SESSION_HANDLE session, bool on_token,
        struct catalogue **ret_catalogue, const struct p11_slot **ret)
{
        CK_SLOT_ID id;
        CK_FLAGS flags;
        CK_RV rv = p11_session_info(module, session, &id, &flags);

        if (rv == CKR_OK && on_token && !(flags & CKF_RW_SESSION))
                rv = CKR_SESSION_READ_ONLY;
        return rv == CKR_OK ? module_slot_of(module, id, ret_catalogue, ret) : rv;
}

CK_RV label_check(const struct module *module, const char *label)
{
        return !label || settings_shows(module->settings.keys, label) ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID;
}

CK_RV template_text(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, char **ret)
{
        const CK_ATTRIBUTE *found = template_find(template, n, type);

        if (!found || found->ulValueLen == 0)
                return CKR_OK;
        if (memchr(found->pValue, 0, found->ulValueLen))
                return CKR_ATTRIBUTE_VALUE_INVALID;
        *ret = strndup(found->pValue, found->ulValueLen);
        return *ret ? CKR_OK : CKR_HOST_MEMORY;
}

CK_RV template_id(const CK_ATTRIBUTE *template, CK_ULONG n, char **ret)
{
        const CK_ATTRIBUTE *found = template_find(template, n, CKA_ID);

        if (!found || found->ulValueLen == 0)
                return CKR_OK;
        if (found->ulValueLen > LIMIT_NEW_ID)
                return CKR_ATTRIBUTE_VALUE_INVALID;
        *ret = malloc(2 * found->ulValueLen + 1);
        if (!*ret)
                return CKR_HOST_MEMORY;
        text_hex(found->pValue, found->ulValueLen, *ret);
        return CKR_OK;
}

CK_RV session_key_asked(struct module *module, CK_SESSION_HANDLE session, const CK_ATTRIBUTE *template,
        CK_ULONG n, CK_OBJECT_CLASS class, CK_KEY_TYPE key_type, struct p11_asked *key)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct p11_slot *slot;
        CK_RV rv = writable_slot(module, session, false, &catalogue, &slot);

        if (rv == CKR_OK)
                rv = asked_key_take(template, n, slot, class, key_type, key);
        return rv == CKR_OK && key->on_token ? CKR_TEMPLATE_INCONSISTENT : rv;
}

CK_RV add_sealed(struct module *module, CK_SESSION_HANDLE session, const struct p11_asked *key,
        const CK_ATTRIBUTE *template, CK_ULONG n, const struct tokend_sealed *sealed, bool made,
        CK_OBJECT_HANDLE *ret)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        CK_SLOT_ID slot;
        CK_RV rv = p11_session_info(module, session, &slot, NULL);

        if (rv == CKR_OK)
                rv = object_asked_key(slot, template, n, key, sealed, made, &object);
        return rv == CKR_OK ? p11_session_add(module, session, object, ret) : rv;
}
