/* SPDX-License-Identifier: MPL-2.0 */
/* See claims.h. */
#include "daemon/worker/claims/claims.h"

#include <string.h>

#include "daemon/util/text.h"
#include "daemon/worker/device/attribute.h"

#define APPLICATION ATTRIBUTE(CKA_APPLICATION, CLAIM_APPLICATION, sizeof(CLAIM_APPLICATION) - 1)

bool claims_not_held(const struct session *session, int r)
{
        return session_said(session, r, CKR_ATTRIBUTE_VALUE_INVALID) ||
               session_said(session, r, CKR_TEMPLATE_INCONSISTENT) ||
               session_said(session, r, CKR_FUNCTION_NOT_SUPPORTED);
}

int claims_write(struct session *session, const char *nickname, const struct claim_record *claim,
        CK_OBJECT_HANDLE *ret)
{
        bool login = session->token->info.flags & CKF_LOGIN_REQUIRED;
        uint8_t value[CLAIM_MAX];
        size_t length = claim_record_encode(claim, value);
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_DATA),
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                /* Private, so that a look that sees it is known to be logged in and to see private keys. */
                ATTRIBUTE_BOOL(CKA_PRIVATE, login),
                ATTRIBUTE_BOOL(CKA_MODIFIABLE, false),
                APPLICATION,
                ATTRIBUTE_TEXT(CKA_LABEL, nickname),
                ATTRIBUTE(CKA_VALUE, value, length),
        };

        return P11(session, C_CreateObject, session->handle, template, ARRAY_SIZE(template), ret);
}

int claims_find(struct session *session, const char *nickname, CK_OBJECT_HANDLE handles[static CLAIMS_MAX],
        size_t *ret_n)
{
        CK_ATTRIBUTE template[] = {
                ATTRIBUTE_ULONG(CKA_CLASS, CKO_DATA),
                ATTRIBUTE_BOOL(CKA_TOKEN, true),
                APPLICATION,
                ATTRIBUTE(CKA_LABEL, nickname, nickname ? strlen(nickname) : 0),
        };
        size_t n = 0;
        int r = session_find(session, template, nickname ? 4 : 3, handles, CLAIMS_MAX, &n);

        if (r == 0 && n == CLAIMS_MAX)
                r = session_fail(session, CKR_DEVICE_MEMORY, "C_FindObjects");
        if (r == 0)
                *ret_n = n;
        return r;
}

static bool is_unreadable(const struct session *session, int r)
{
        return session_said(session, r, CKR_BUFFER_TOO_SMALL) ||
               session_said(session, r, CKR_ATTRIBUTE_TYPE_INVALID) ||
               session_said(session, r, CKR_ATTRIBUTE_SENSITIVE);
}

int claims_read(struct session *session, CK_OBJECT_HANDLE handle, struct claim_object *ret)
{
        struct claim_object object = {.handle = handle};
        CK_OBJECT_CLASS class = CKO_DATA;
        char label[LIMIT_NICKNAME];
        uint8_t value[CLAIM_MAX];
        CK_ATTRIBUTE name = ATTRIBUTE(CKA_LABEL, label, sizeof(label)),
                     content = ATTRIBUTE(CKA_VALUE, value, sizeof(value)),
                     what = ATTRIBUTE(CKA_CLASS, &class, sizeof(class));
        int r;

        r = P11(session, C_GetAttributeValue, session->handle, handle, &what, 1);
        if (r == 0 && class != CKO_DATA)
                r = session_fail(session, CKR_OBJECT_HANDLE_INVALID, "C_GetAttributeValue");
        if (r != 0)
                return r;
        r = P11(session, C_GetAttributeValue, session->handle, handle, &name, 1);
        if (r == 0 && name.ulValueLen <= sizeof(label) && text_is_listable(label, name.ulValueLen))
                memcpy(object.nickname, label, name.ulValueLen);
        if (r != 0 && !is_unreadable(session, r))
                return r;
        r = P11(session, C_GetAttributeValue, session->handle, handle, &content, 1);
        if (r == 0 && content.ulValueLen <= sizeof(value))
                object.readable = claim_record_decode(value, content.ulValueLen, &object.claim);
        if (r != 0 && !is_unreadable(session, r))
                return r;
        *ret = object;
        return 0;
}

int claims_destroy_at(struct session *session, CK_OBJECT_HANDLE handle, const struct claim_record *claim,
        bool *ret_was_there)
{
        struct claim_object object;
        int r = claims_read(session, handle, &object);

        if (r == 0 && object.readable &&
                claim_record_is(&object.claim, wire_bytes(claim->claimant, CLAIMANT_LENGTH), claim->number)) {
                *ret_was_there = true;
                r = P11(session, C_DestroyObject, session->handle, handle);
        }
        return r;
}

int claims_destroy(struct session *session, const char *nickname, const struct claim_record *claim)
{
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        int r = claims_find(session, nickname, handles, &n);

        for (size_t i = 0; i < n && r == 0; i++) {
                bool ignored;

                r = claims_destroy_at(session, handles[i], claim, &ignored);
                if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        r = 0;
        }
        return r;
}
