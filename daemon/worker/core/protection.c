/* SPDX-License-Identifier: MPL-2.0 */
/* See protection.h. */
#include "daemon/worker/core/protection.h"

#include <string.h>

#include "daemon/worker/core/attributes.h"

/* The first N_NEEDED of them no token may leave out. */
#define N_NEEDED 3U
static const CK_ATTRIBUTE_TYPE types[PROTECTION_ATTRIBUTES] = {CKA_SENSITIVE, CKA_EXTRACTABLE, CKA_PRIVATE,
        CKA_ALWAYS_AUTHENTICATE, CKA_WRAP_WITH_TRUSTED, CKA_SIGN, CKA_SIGN_RECOVER, CKA_DECRYPT, CKA_UNWRAP,
        CKA_DERIVE, CKA_KEY_TYPE, CKA_START_DATE, CKA_END_DATE,
        /* These have no room: one that is not empty counts as too long. */
        CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE, CKA_ALLOWED_MECHANISMS};

static CK_ATTRIBUTE room_for(struct protection *protection, size_t i)
{
        switch (types[i]) {
        case CKA_UNWRAP_TEMPLATE:
        case CKA_DERIVE_TEMPLATE:
                return (CK_ATTRIBUTE){types[i], NULL, 0};
        case CKA_ALLOWED_MECHANISMS:
                return (CK_ATTRIBUTE){types[i], protection->allowed, sizeof(protection->allowed)};
        default:
                return (CK_ATTRIBUTE){types[i], protection->value[i], sizeof(protection->value[i])};
        }
}

bool protection_read(struct session *session, CK_OBJECT_HANDLE handle, unsigned of, struct protection *ret)
{
        struct failed_call failed = session->failed;
        CK_ATTRIBUTE attributes[PROTECTION_ATTRIBUTES];
        size_t at[PROTECTION_ATTRIBUTES], n = 0;
        int r;

        *ret = (struct protection){0};
        for (size_t i = 0; i < PROTECTION_ATTRIBUTES; i++)
                if (of & 1U << i) {
                        attributes[n] = room_for(ret, i);
                        at[n++] = i;
                }
        r = attributes_read(session, handle, attributes, n);
        session->failed = failed;
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (attributes[i].ulValueLen == ATTRIBUTE_TOO_LONG)
                        return false;
                if (!attribute_was_read(&attributes[i]))
                        continue;
                ret->present |= 1U << at[i];
                ret->length[at[i]] = attributes[i].ulValueLen;
        }
        return r == 0 && (ret->present & ((1U << N_NEEDED) - 1)) == (1U << N_NEEDED) - 1;
}

bool protection_same(const struct protection *a, const struct protection *b)
{
        return a->present == b->present && memcmp(a->length, b->length, sizeof(a->length)) == 0 &&
               memcmp(a->value, b->value, sizeof(a->value)) == 0 &&
               memcmp(a->allowed, b->allowed, sizeof(a->allowed)) == 0;
}
