/* SPDX-License-Identifier: MPL-2.0 */
/* See claims.h. */
#include "daemon/worker/claims/claims.h"

#include <string.h>

#include "daemon/util/text.h"

#define APPLICATION                                                                                          \
        {                                                                                                    \
                CKA_APPLICATION, (void *)(uintptr_t)CLAIM_APPLICATION, sizeof(CLAIM_APPLICATION) - 1         \
        }

bool claims_not_held(CK_RV rv)
{
        return rv == CKR_ATTRIBUTE_VALUE_INVALID || rv == CKR_TEMPLATE_INCONSISTENT ||
               rv == CKR_FUNCTION_NOT_SUPPORTED;
}

CK_RV claims_write(struct session *session, const char *nickname, const struct claim_record *claim,
        CK_OBJECT_HANDLE *ret)
{
        CK_OBJECT_CLASS class = CKO_DATA;
        CK_BBOOL yes = CK_TRUE, no = CK_FALSE,
                 private = session->token->info.flags & CKF_LOGIN_REQUIRED ? CK_TRUE : CK_FALSE;
        uint8_t value[CLAIM_MAX];
        size_t length = claim_record_encode(claim, value);
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_TOKEN, &yes, sizeof(yes)},
                /* So that a look that sees it is logged in, and sees private keys. */
                {CKA_PRIVATE, &private, sizeof(private)},
                {CKA_MODIFIABLE, &no, sizeof(no)},
                APPLICATION,
                {CKA_LABEL, (void *)(uintptr_t)nickname, strlen(nickname)},
                {CKA_VALUE, value, length},
        };

        return P11(session, C_CreateObject, session->handle, template, ARRAY_SIZE(template), ret);
}

CK_RV claims_find(struct session *session, const char *nickname, CK_OBJECT_HANDLE handles[static CLAIMS_MAX],
        size_t *ret_n)
{
        CK_OBJECT_CLASS class = CKO_DATA;
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_TOKEN, &yes, sizeof(yes)},
                APPLICATION,
                {CKA_LABEL, (void *)(uintptr_t)nickname, nickname ? strlen(nickname) : 0},
        };
        CK_ULONG n = 0, found = 0;
        CK_RV rv, final;

        rv = P11(session, C_FindObjectsInit, session->handle, template, nickname ? 4 : 3);
        if (rv != CKR_OK)
                return rv;
        do {
                rv = P11(session, C_FindObjects, session->handle, handles + n, CLAIMS_MAX - n, &found);
                n += rv == CKR_OK ? MIN_OF(found, CLAIMS_MAX - n) : 0;
        } while (rv == CKR_OK && found > 0 && n < CLAIMS_MAX);
        final = P11(session, C_FindObjectsFinal, session->handle);
        if (rv == CKR_OK)
                rv = final;
        if (rv == CKR_OK && n == CLAIMS_MAX)
                rv = CKR_DEVICE_MEMORY;
        if (rv == CKR_OK)
                *ret_n = n;
        return rv;
}

static bool is_unreadable(CK_RV rv)
{
        return rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
               rv == CKR_ATTRIBUTE_SENSITIVE;
}

CK_RV claims_read(struct session *session, CK_OBJECT_HANDLE handle, struct claim_object *ret)
{
        struct claim_object object = {.handle = handle};
        char label[LIMIT_NICKNAME];
        uint8_t value[CLAIM_MAX];
        CK_ATTRIBUTE name = {CKA_LABEL, label, sizeof(label)}, content = {CKA_VALUE, value, sizeof(value)};
        CK_RV rv;

        rv = P11(session, C_GetAttributeValue, session->handle, handle, &name, 1);
        if (rv == CKR_OK && name.ulValueLen <= sizeof(label) && text_is_listable(label, name.ulValueLen))
                memcpy(object.nickname, label, name.ulValueLen);
        if (rv != CKR_OK && !is_unreadable(rv))
                return rv;
        rv = P11(session, C_GetAttributeValue, session->handle, handle, &content, 1);
        if (rv == CKR_OK && content.ulValueLen <= sizeof(value))
                object.readable = claim_record_decode(value, content.ulValueLen, &object.claim);
        if (rv != CKR_OK && !is_unreadable(rv))
                return rv;
        *ret = object;
        return CKR_OK;
}

CK_RV claims_destroy(struct session *session, const char *nickname, const struct claim_record *claim)
{
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        CK_RV rv = claims_find(session, nickname, handles, &n);

        for (size_t i = 0; i < n && rv == CKR_OK; i++) {
                struct claim_object object;

                rv = claims_read(session, handles[i], &object);
                if (rv == CKR_OK && object.readable &&
                        claim_record_is(
                                &object.claim, wire_bytes(claim->claimant, CLAIMANT_LENGTH), claim->number))
                        rv = P11(session, C_DestroyObject, session->handle, handles[i]);
                if (rv == CKR_OBJECT_HANDLE_INVALID)
                        rv = CKR_OK;
        }
        return rv;
}
