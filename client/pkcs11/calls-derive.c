/* SPDX-License-Identifier: MPL-2.0 */
/* ECDH: the common secret becomes an object of the session, which the program may read. */
#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

static CK_RV check_base(const CK_MECHANISM *mechanism, const struct p11_object *base)
{
        const struct mechanism *row = mechanism_find(mechanism->mechanism);
        const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;

        if (!row || !(row->flags & CKF_DERIVE))
                return CKR_MECHANISM_INVALID;
        if (base->class != CKO_PRIVATE_KEY)
                return CKR_KEY_HANDLE_INVALID;
        if (base->key_type != row->key_type)
                return CKR_KEY_TYPE_INCONSISTENT;
        if (!(base->usage & TOKEND_USAGE_DERIVE))
                return CKR_KEY_FUNCTION_NOT_PERMITTED;
        if (!params || mechanism->ulParameterLen != sizeof(*params) || params->kdf != CKD_NULL ||
                params->ulSharedDataLen > 0 || !params->pPublicData || params->ulPublicDataLen == 0)
                return CKR_MECHANISM_PARAM_INVALID;
        return CKR_OK;
}

/* It cannot lie on a token: that is for keys that the token made. */
static CK_RV check_template(const CK_ATTRIBUTE *template, CK_ULONG n)
{
        bool token = false;
        CK_ULONG class = CKO_SECRET_KEY;
        CK_RV rv = template_bool(template, n, CKA_TOKEN, &token);

        if (rv == CKR_OK)
                rv = template_ulong(template, n, CKA_CLASS, &class);
        if (rv != CKR_OK)
                return rv;
        return token || class != CKO_SECRET_KEY ? CKR_TEMPLATE_INCONSISTENT : CKR_OK;
}

static CK_RV derive(struct module *module, const struct p11_object *base,
        const CK_ECDH1_DERIVE_PARAMS *params, unsigned char **ret, size_t *ret_length)
{
        struct der point = {params->pPublicData, params->ulPublicDataLen}, bare;
        struct tokend_failure failure = {0};

        /* The point comes as it is, or in the OCTET STRING that CKA_EC_POINT has around it. */
        if (!spki_point(base->bits, point, &bare))
                return CKR_MECHANISM_PARAM_INVALID;
        (void)tokend_derive(module->calls, base->name, bare.data, bare.length, module->settings.timeout_ms,
                ret, ret_length, &failure);
        return module_error(&failure, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_FUNCTION_NOT_PERMITTED);
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hBaseKey,
        CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phKey)
{
        _cleanup_(object_unrefp) struct p11_object *base = NULL, *made = NULL;
        unsigned char *secret = NULL;
        size_t length = 0;
        CK_SLOT_ID slot;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, &slot, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism || !phKey || template_check(pTemplate, ulAttributeCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hBaseKey, CKR_KEY_HANDLE_INVALID, &base);
        if (rv == CKR_OK)
                rv = check_base(pMechanism, base);
        if (rv == CKR_OK)
                rv = check_template(pTemplate, ulAttributeCount);
        if (rv == CKR_OK)
                rv = derive(module, base, pMechanism->pParameter, &secret, &length);
        if (rv != CKR_OK)
                return rv;
        rv = object_session_secret(slot, pTemplate, ulAttributeCount, secret, length, &made);
        tokend_secret_free(secret, length);
        return rv == CKR_OK ? p11_session_add(module, hSession, made, phKey) : rv;
}
