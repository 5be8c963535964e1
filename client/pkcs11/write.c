/* SPDX-License-Identifier: MPL-2.0 */
/* See write.h. */
#include "client/pkcs11/write.h"

#include <string.h>

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
