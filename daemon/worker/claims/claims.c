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

        return session_find(session, template, nickname ? 4 : 3, handles, CLAIMS_MAX, ret_n);
}

/* 0, or why the session or the token is at fault. What is wrong with the claim alone is in *ret_why. */
static int read_attribute(
        struct session *session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *attribute, CK_RV *ret_why)
{
        CK_ULONG size = attribute->ulValueLen;
        int r = P11(session, C_GetAttributeValue, session->handle, handle, attribute, 1);

        if (r == 0 && attribute->ulValueLen <= size)
                return 0;
        attribute->ulValueLen = 0;
        if (r == 0 || session_said(session, r, CKR_BUFFER_TOO_SMALL) ||
                session_said(session, r, CKR_ATTRIBUTE_TYPE_INVALID) ||
                session_said(session, r, CKR_ATTRIBUTE_SENSITIVE))
                return 0;
        if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID) || !session_is_well(session))
                return r;
        *ret_why = session->failed.ckr;
        return 0;
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

        r = read_attribute(session, handle, &what, &object.unreadable);
        if (r == 0 && what.ulValueLen != 0 && class != CKO_DATA)
                r = session_fail(session, CKR_OBJECT_HANDLE_INVALID, "C_GetAttributeValue");
        if (r == 0)
                r = read_attribute(session, handle, &name, &object.unreadable);
        if (r == 0)
                r = read_attribute(session, handle, &content, &object.unreadable);
        if (r != 0)
                return r;
        if (text_is_listable(label, name.ulValueLen))
                memcpy(object.nickname, label, name.ulValueLen);
        object.readable = claim_record_decode(value, content.ulValueLen, &object.claim);
        *ret = object;
        return 0;
}

static bool is_claim(const struct claim_object *object, const struct claim_record *claim)
{
        return object->readable &&
               claim_record_is(&object->claim, wire_bytes(claim->claimant, CLAIMANT_LENGTH), claim->number);
}

int claims_destroy_at(struct session *session, CK_OBJECT_HANDLE handle, const struct claim_record *claim,
        bool *ret_was_there)
{
        struct claim_object object = {0};
        int r = claims_read(session, handle, &object);

        if (r == 0 && object.unreadable)
                return session_fail(session, object.unreadable, "C_GetAttributeValue");
        if (r == 0 && is_claim(&object, claim)) {
                *ret_was_there = true;
                r = P11(session, C_DestroyObject, session->handle, handle);
        }
        return r;
}

int claims_destroy(struct session *session, const char *nickname, const struct claim_record *claim)
{
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0, destroyed = 0;
        CK_RV missed = CKR_OK;
        int r = claims_find(session, nickname, handles, &n);

        if (n == CLAIMS_MAX)
                missed = CKR_DEVICE_MEMORY;
        for (size_t i = 0; i < n && r == 0; i++) {
                struct claim_object object = {0};

                r = claims_read(session, handles[i], &object);
                if (r == 0 && object.unreadable)
                        missed = object.unreadable;
                if (r == 0 && is_claim(&object, claim)) {
                        r = P11(session, C_DestroyObject, session->handle, handles[i]);
                        destroyed += r == 0;
                }
                if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        r = 0;
        }
        /* It may be among those that were not read. */
        return r == 0 && destroyed == 0 && missed ? session_fail(session, missed, "C_GetAttributeValue") : r;
}
