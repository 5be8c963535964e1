/* SPDX-License-Identifier: MPL-2.0 */
/* See attributes.h. */
#include "daemon/worker/core/attributes.h"

bool attributes_are_meant(const struct session *session, int r)
{
        return session_said(session, r, CKR_ATTRIBUTE_TYPE_INVALID) ||
               session_said(session, r, CKR_ATTRIBUTE_SENSITIVE) ||
               session_said(session, r, CKR_BUFFER_TOO_SMALL) ||
               session_said(session, r, CKR_ATTRIBUTE_VALUE_INVALID);
}

bool attributes_object_is_meant(struct session *session, int r)
{
        return r == CALL_FAILED && session->failed.ckr != CKR_OBJECT_HANDLE_INVALID &&
               session_is_well(session);
}

/* A module that says that it wrote more than there is room for. */
static void check_lengths(CK_ATTRIBUTE *attributes, const CK_ULONG *sizes, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (attributes[i].ulValueLen > sizes[i] && attributes[i].ulValueLen != ATTRIBUTE_MISSING)
                        attributes[i].ulValueLen = ATTRIBUTE_TOO_LONG;
}

int attributes_read(struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attributes, size_t n)
{
        struct failed_call failed = {0};
        CK_ULONG sizes[16];
        int r;

        for (size_t i = 0; i < n; i++)
                sizes[i] = attributes[i].ulValueLen;
        r = P11(session, C_GetAttributeValue, session->handle, handle, attributes, n);
        if (r == 0) {
                check_lengths(attributes, sizes, n);
                return 0;
        }
        for (size_t i = 0; i < n; i++)
                attributes[i].ulValueLen = ATTRIBUTE_MISSING;
        if (!attributes_are_meant(session, r) && !attributes_object_is_meant(session, r))
                return r;
        for (size_t i = 0; i < n; i++) {
                attributes[i].ulValueLen = sizes[i];
                r = P11(session, C_GetAttributeValue, session->handle, handle, &attributes[i], 1);
                if (r != 0)
                        attributes[i].ulValueLen = session_said(session, r, CKR_BUFFER_TOO_SMALL)
                                                           ? ATTRIBUTE_TOO_LONG
                                                           : ATTRIBUTE_MISSING;
                if (r != 0 && !attributes_are_meant(session, r))
                        failed = session->failed;
        }
        check_lengths(attributes, sizes, n);
        if (failed.ckr == CKR_OK)
                return 0;
        session->failed = failed;
        return CALL_FAILED;
}

bool attribute_was_read(const CK_ATTRIBUTE *attribute)
{
        return attribute->ulValueLen != ATTRIBUTE_MISSING && attribute->ulValueLen != ATTRIBUTE_TOO_LONG;
}

struct der attribute_bytes(const CK_ATTRIBUTE *attribute)
{
        return (struct der){attribute->pValue, attribute_was_read(attribute) ? attribute->ulValueLen : 0};
}

bool attribute_is_true(const CK_ATTRIBUTE *attribute)
{
        return attribute->ulValueLen == sizeof(CK_BBOOL) && *(CK_BBOOL *)attribute->pValue != CK_FALSE;
}
