/* SPDX-License-Identifier: MPL-2.0 */
/* What the calls that make keys or change a token share. */
#pragma once

#include "client/pkcs11/asked-key.h"
#include "client/pkcs11/session.h"

/* The slot of a session. *ret_catalogue, which owns it, is a reference. CKR_SESSION_READ_ONLY: on_token, and the session may not write. */
CK_RV writable_slot(struct module *module, CK_SESSION_HANDLE session, bool on_token,
        struct catalogue **ret_catalogue, const struct p11_slot **ret);

/* The value of an attribute as a new string, which the caller frees. *ret is untouched where the template does not have it, or it is
 * empty. CKR_ATTRIBUTE_VALUE_INVALID: it has a NUL; CKR_HOST_MEMORY. */
CK_RV template_text(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type, char **ret);

/* CKR_ATTRIBUTE_VALUE_INVALID: what is given this label would not be shown (TOKEND_PKCS11_KEYS). NULL is fine. */
CK_RV label_check(const struct module *module, const char *label);

/* CKA_ID in hexadecimal, likewise. CKR_ATTRIBUTE_VALUE_INVALID: it is longer than an id can be. */
CK_RV template_id(const CK_ATTRIBUTE *template, CK_ULONG n, char **ret);

/* As asked_key_take(), of a key that is to be the session's: CKR_TEMPLATE_INCONSISTENT if the template wants it on the token. */
CK_RV session_key_asked(struct module *module, CK_SESSION_HANDLE session, const CK_ATTRIBUTE *template,
        CK_ULONG n, CK_OBJECT_CLASS class, CK_KEY_TYPE key_type, struct p11_asked *key);

/* Gives the session a key that the daemon gave sealed. made: it was generated. *ret: its handle. CKR_SESSION_HANDLE_INVALID,
 * CKR_HOST_MEMORY. */
CK_RV add_sealed(struct module *module, CK_SESSION_HANDLE session, const struct p11_asked *key,
        const CK_ATTRIBUTE *template, CK_ULONG n, const struct tokend_sealed *sealed, bool made,
        CK_OBJECT_HANDLE *ret);

/* The cleanups of what libtokend returns. */
static inline void key_freep(struct tokend_key **key)
{
        tokend_key_free(*key);
}

static inline void replacement_freep(struct tokend_replacement **replacement)
{
        tokend_replacement_free(*replacement);
}

static inline void sealed_freep(struct tokend_sealed **sealed)
{
        tokend_sealed_free(*sealed);
}
