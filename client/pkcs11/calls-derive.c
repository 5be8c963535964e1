/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Deriving. What ECDH with a key of the token gives is an object of the session that the program may read; everything else gives a sealed
 * key.
 */
#include <string.h>

#include "client/pkcs11/algorithm.h"
#include "client/pkcs11/write.h"
#include "proto/limits.h"

static CK_RV check_ecdh(const CK_MECHANISM *mechanism)
{
        const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;

        return params && mechanism->ulParameterLen == sizeof(*params) && params->kdf == CKD_NULL &&
                               params->ulSharedDataLen == 0 && params->pPublicData &&
                               params->ulPublicDataLen > 0
                       ? CKR_OK
                       : CKR_MECHANISM_PARAM_INVALID;
}

/* The key's class and type are what the algorithm derives from. */
static CK_RV check_base(const struct secret_algorithm_info *info, const struct p11_object *base)
{
        bool ecdh = info->form == FORM_ECDH;

        if (base->class != (ecdh ? CKO_PRIVATE_KEY : CKO_SECRET_KEY) || !base->name)
                return CKR_KEY_HANDLE_INVALID;
        if (ecdh ? base->key_type != CKK_EC : !(info->key_types & SECRET_BIT(base->secret_type)))
                return CKR_KEY_TYPE_INCONSISTENT;
        return base->usage & TOKEND_USAGE_DERIVE ? CKR_OK : CKR_KEY_FUNCTION_NOT_PERMITTED;
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

static CK_RV agree(struct module *module, const struct p11_object *base, const CK_ECDH1_DERIVE_PARAMS *params,
        unsigned char **ret, size_t *ret_length)
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

/* With a key of the token: the program may read what comes out. */
static CK_RV derive_clear(struct module *module, CK_SESSION_HANDLE session, const CK_MECHANISM *mechanism,
        const struct p11_object *base, const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
        _cleanup_(object_unrefp) struct p11_object *made = NULL;
        unsigned char *secret = NULL;
        size_t length = 0;
        CK_RV rv = check_template(template, n);

        if (rv == CKR_OK)
                rv = agree(module, base, mechanism->pParameter, &secret, &length);
        if (rv != CKR_OK)
                return rv;
        rv = object_session_secret(base->slot, template, n, secret, length, &made);
        tokend_secret_free(secret, length);
        return rv == CKR_OK ? p11_session_add(module, session, made, ret) : rv;
}

/* ---- sealed keys ---- */

struct p11_deriving {
        struct tokend_derivation call;
        struct p11_object *other; /* of a concatenation */
        size_t length;            /* of the key, where the template does not say it; 0: it must */
};

static void deriving_done(struct p11_deriving *deriving)
{
        object_unref(deriving->other);
}

static CK_RV take_data(struct p11_deriving *deriving, const CK_MECHANISM *mechanism, size_t unit)
{
        const CK_KEY_DERIVATION_STRING_DATA *params = mechanism->pParameter;

        if (!params || mechanism->ulParameterLen != sizeof(*params) || !params->pData || params->ulLen == 0 ||
                params->ulLen > LIMIT_DERIVE_DATA || params->ulLen % unit != 0)
                return CKR_MECHANISM_PARAM_INVALID;
        deriving->call.data = params->pData;
        deriving->call.data_length = deriving->length = params->ulLen;
        return CKR_OK;
}

static CK_RV take_bit(struct p11_deriving *deriving, const CK_MECHANISM *mechanism, size_t length)
{
        CK_EXTRACT_PARAMS bit;

        if (!mechanism->pParameter || mechanism->ulParameterLen != sizeof(bit))
                return CKR_MECHANISM_PARAM_INVALID;
        memcpy(&bit, mechanism->pParameter, sizeof(bit));
        if (bit >= 8 * length)
                return CKR_MECHANISM_PARAM_INVALID;
        deriving->call.bit = (int)bit;
        return CKR_OK;
}

static CK_RV take_other(
        struct module *module, struct p11_deriving *deriving, const CK_MECHANISM *mechanism, size_t length)
{
        CK_OBJECT_HANDLE handle;
        CK_RV rv;

        if (!mechanism->pParameter || mechanism->ulParameterLen != sizeof(handle))
                return CKR_MECHANISM_PARAM_INVALID;
        memcpy(&handle, mechanism->pParameter, sizeof(handle));
        rv = module_object_of(module, handle, CKR_KEY_HANDLE_INVALID, &deriving->other);
        if (rv != CKR_OK)
                return rv;
        if (!deriving->other->sealed || deriving->other->class != CKO_SECRET_KEY)
                return CKR_KEY_HANDLE_INVALID;
        deriving->call.other = deriving->other->name;
        deriving->length = length + deriving->other->length;
        return CKR_OK;
}

static CK_RV take_point(struct p11_deriving *deriving, const CK_MECHANISM *mechanism, unsigned bits)
{
        const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;
        struct der bare;

        if (!spki_point(bits, (struct der){params->pPublicData, params->ulPublicDataLen}, &bare))
                return CKR_MECHANISM_PARAM_INVALID;
        deriving->call.public_key = bare.data;
        deriving->call.public_key_length = bare.length;
        deriving->length = (bits + 7) / 8;
        return CKR_OK;
}

static CK_RV take_parameter(struct module *module, struct p11_deriving *deriving,
        const struct secret_algorithm_info *info, const CK_MECHANISM *mechanism,
        const struct p11_object *base)
{
        deriving->call.struct_size = sizeof(deriving->call);
        deriving->call.algorithm = info->name;
        switch (info->form) {
        case FORM_DATA:
                return take_data(deriving, mechanism, info->unit);
        case FORM_BIT:
                return take_bit(deriving, mechanism, base->length);
        case FORM_KEY:
                return take_other(module, deriving, mechanism, base->length);
        default:
                return take_point(deriving, mechanism, base->bits);
        }
}

static CK_RV derive_sealed(struct module *module, CK_SESSION_HANDLE session,
        const struct secret_algorithm_info *info, const CK_MECHANISM *mechanism,
        const struct p11_object *base, const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
        _cleanup_(deriving_done) struct p11_deriving deriving = {0};
        _cleanup_(sealed_freep) struct tokend_sealed *sealed = NULL;
        struct tokend_failure failure = {0};
        struct p11_asked key;
        CK_RV rv = take_parameter(module, &deriving, info, mechanism, base);
        bool typed = template_find(template, n, CKA_KEY_TYPE);

        if (rv == CKR_OK)
                rv = session_key_asked(module, session, template, n, CKO_SECRET_KEY,
                        typed ? CK_UNAVAILABLE_INFORMATION : CKK_GENERIC_SECRET, &key);
        if (rv != CKR_OK)
                return rv;
        if (key.wanted.length == 0)
                key.wanted.length = (int)deriving.length;
        if (key.wanted.length == 0)
                return CKR_TEMPLATE_INCOMPLETE;
        if (!secret_size_fits(key.type, (unsigned)key.wanted.length))
                return CKR_TEMPLATE_INCONSISTENT;
        (void)tokend_secret_derive(module->calls, base->name, &deriving.call, &key.wanted,
                module->settings.timeout_ms, &sealed, &failure);
        rv = module_error(&failure, CKR_TEMPLATE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED);
        return rv == CKR_OK ? add_sealed(module, session, &key, template, n, sealed, false, ret) : rv;
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hBaseKey,
        CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phKey)
{
        _cleanup_(object_unrefp) struct p11_object *base = NULL;
        const struct secret_algorithm_info *info;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism || !phKey || template_check(pTemplate, ulAttributeCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hBaseKey, CKR_KEY_HANDLE_INVALID, &base);
        if (rv != CKR_OK)
                return rv;
        info = algorithm_find(pMechanism->mechanism, DOES_DERIVE);
        if (!info)
                return CKR_MECHANISM_INVALID;
        rv = check_base(info, base);
        if (rv == CKR_OK && info->form == FORM_ECDH)
                rv = check_ecdh(pMechanism);
        if (rv != CKR_OK)
                return rv;
        return info->form == FORM_ECDH && !base->sealed
                       ? derive_clear(module, hSession, pMechanism, base, pTemplate, ulAttributeCount, phKey)
                       : derive_sealed(module, hSession, info, pMechanism, base, pTemplate, ulAttributeCount,
                                 phKey);
}
