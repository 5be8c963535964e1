/* SPDX-License-Identifier: MPL-2.0 */
/* Secret keys: made by the daemon, which keeps them on the token under their label, or gives them sealed. */
#include <string.h>

#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/promise.h"
#include "client/pkcs11/write.h"

/* The handle of a key that was made, which a fresh catalogue has. */
static CK_RV find_made(
        struct module *module, const struct p11_slot *slot, const char *label, CK_OBJECT_HANDLE *ret)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const CK_ATTRIBUTE same[] = {{CKA_LABEL, (void *)(uintptr_t)label, strlen(label)}};
        CK_RV rv = module_catalogue(module, true, &catalogue);

        if (rv != CKR_OK)
                return rv;
        for (size_t i = 0; i < catalogue->n_objects; i++) {
                const struct p11_object *object = catalogue->objects[i];

                if (object->slot == slot->id && object->class == CKO_SECRET_KEY &&
                        attributes_match(&object->attributes, same, 1)) {
                        *ret = object->handle;
                        return CKR_OK;
                }
        }
        return CKR_FUNCTION_FAILED;
}

static CK_RV generate_on_token(struct module *module, const struct p11_slot *slot, struct p11_asked *key,
        const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
        _cleanup_(object_unrefp) struct p11_object *promise = NULL;
        _cleanup_(freep) char *label = NULL, *id = NULL;
        struct tokend_failure failure = {0};
        CK_RV rv = template_text(template, n, CKA_LABEL, &label);

        if (rv == CKR_OK)
                rv = template_id(template, n, &id);
        if (rv == CKR_OK)
                rv = label_check(module, label);
        if (rv != CKR_OK)
                return rv;
        if (!label) {
                rv = object_asked_key(slot->id, template, n, key, NULL, true, &promise);
                return rv == CKR_OK ? promise_add(module, promise, ret) : rv;
        }
        key->wanted.id = id;
        (void)tokend_secret_generate_on_token(
                module->calls, slot->token->name, label, &key->wanted, 0, &failure);
        rv = module_error(&failure, CKR_TEMPLATE_INCONSISTENT, CKR_TOKEN_WRITE_PROTECTED);
        return rv == CKR_OK ? find_made(module, slot, label, ret) : rv;
}

static CK_RV generate_for_session(struct module *module, CK_SESSION_HANDLE session,
        const struct p11_slot *slot, const struct p11_asked *key, const CK_ATTRIBUTE *template, CK_ULONG n,
        CK_OBJECT_HANDLE *ret)
{
        _cleanup_(sealed_freep) struct tokend_sealed *sealed = NULL;
        struct tokend_failure failure = {0};
        CK_RV rv;

        (void)tokend_secret_generate(module->calls, slot->token->name, &key->wanted, 0, &sealed, &failure);
        rv = module_error(&failure, CKR_TEMPLATE_INCONSISTENT, CKR_KEY_FUNCTION_NOT_PERMITTED);
        return rv == CKR_OK ? add_sealed(module, session, key, template, n, sealed, true, ret) : rv;
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_ATTRIBUTE_PTR pTemplate,
        CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phKey)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        const struct mechanism *mechanism;
        const struct p11_slot *slot;
        struct p11_asked key;
        bool on_token = false;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pMechanism || !phKey || template_check(pTemplate, ulCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        mechanism = mechanism_find(pMechanism->mechanism);
        if (!mechanism || !(mechanism->flags & CKF_GENERATE))
                return CKR_MECHANISM_INVALID;
        if (pMechanism->ulParameterLen > 0)
                return CKR_MECHANISM_PARAM_INVALID;
        rv = template_bool(pTemplate, ulCount, CKA_TOKEN, &on_token);
        if (rv == CKR_OK)
                rv = writable_slot(module, hSession, on_token, &catalogue, &slot);
        if (rv == CKR_OK)
                rv = asked_key_take(pTemplate, ulCount, slot, CKO_SECRET_KEY, mechanism->key_type, &key);
        if (rv == CKR_OK && key.wanted.length == 0)
                rv = CKR_TEMPLATE_INCOMPLETE;
        if (rv != CKR_OK)
                return rv;
        return on_token ? generate_on_token(module, slot, &key, pTemplate, ulCount, phKey)
                        : generate_for_session(module, hSession, slot, &key, pTemplate, ulCount, phKey);
}
