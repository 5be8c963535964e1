/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What changes a token, but for new keys: certificates, names, deletion. The daemon decides whether the caller may. What was changed is
 * seen by the next search. Private keys in the clear are refused here, before they leave the program.
 */
#include <string.h>

#include "client/pkcs11/promise.h"
#include "client/pkcs11/write.h"
#include "daemon/util/unnamed.h"

/* ---- certificates and the objects of a session ---- */

static struct p11_object *find_certificate(
        const struct catalogue *catalogue, CK_SLOT_ID slot, const CK_ATTRIBUTE *value)
{
        for (size_t i = 0; i < catalogue->n_objects; i++) {
                struct p11_object *object = catalogue->objects[i];

                if (object->slot == slot && object->class == CKO_CERTIFICATE &&
                        attributes_match(&object->attributes, value, 1))
                        return object;
        }
        return NULL;
}

/* A program that renews a certificate writes the new one, and then deletes the old one, which has gone with that. */
static void note_replaced(struct module *module, CK_SLOT_ID slot, const CK_ATTRIBUTE *label,
        const struct catalogue *before, const struct catalogue *now)
{
        for (size_t i = 0; i < before->n_objects; i++) {
                const struct p11_object *object = before->objects[i];
                CK_ATTRIBUTE value = {.type = CKA_VALUE};
                const void *bytes;
                size_t length;

                if (object->slot != slot || object->class != CKO_CERTIFICATE ||
                        !attributes_match(&object->attributes, label, 1) ||
                        !attributes_get(&object->attributes, CKA_VALUE, &bytes, &length))
                        continue;
                value.pValue = (void *)(uintptr_t)bytes;
                value.ulValueLen = length;
                if (find_certificate(now, slot, &value))
                        continue;
                module_lock();
                handles_went(&module->handles, object->handle);
                module_unlock();
        }
}

/* A key has one certificate: another one takes its place. */
static CK_RV import_certificate(struct module *module, const struct p11_slot *slot,
        const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
        _cleanup_(replacement_freep) struct tokend_replacement *replacement = NULL;
        _cleanup_(catalogue_unrefp) struct catalogue *before = NULL, *catalogue = NULL;
        _cleanup_(freep) char *label = NULL;
        const struct p11_object *made;
        const CK_ATTRIBUTE *value = template_find(template, n, CKA_VALUE);
        struct tokend_failure failure = {0};
        CK_RV rv = template_text(template, n, CKA_LABEL, &label);

        if (rv != CKR_OK)
                return rv;
        if (!value || value->ulValueLen == 0 || !label)
                return CKR_TEMPLATE_INCOMPLETE;
        rv = label_check(module, label);
        if (rv != CKR_OK)
                return rv;
        rv = module_catalogue(module, false, &before);
        if (rv != CKR_OK)
                return rv;
        (void)tokend_replace_certificate(module->calls, slot->token->name, label, value->pValue,
                value->ulValueLen, module->settings.timeout_ms, &replacement, &failure);
        rv = module_error(&failure, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TOKEN_WRITE_PROTECTED);
        if (rv == CKR_OK)
                rv = module_catalogue(module, true, &catalogue);
        if (rv != CKR_OK)
                return rv;
        if (replacement->n_replaced > 0)
                note_replaced(module, slot->id, template_find(template, n, CKA_LABEL), before, catalogue);
        made = find_certificate(catalogue, slot->id, value);
        if (!made)
                return CKR_FUNCTION_FAILED;
        *ret = made->handle;
        return CKR_OK;
}

/* What a session may keep for itself: a public key, and bytes that no cipher takes for its key (SunPKCS11 asks whether that can be done,
 * before it decrypts by RSA). NSS puts keys of ciphers where it uses them, if that is refused. */
static CK_RV keep(struct module *module, CK_SESSION_HANDLE session, CK_SLOT_ID slot,
        const CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        CK_ULONG class = CKO_PUBLIC_KEY, type = CK_UNAVAILABLE_INFORMATION;
        const CK_ATTRIBUTE *value = template_find(template, n, CKA_VALUE);
        CK_RV rv = template_ulong(template, n, CKA_CLASS, &class);

        if (rv == CKR_OK)
                rv = template_ulong(template, n, CKA_KEY_TYPE, &type);
        if (rv == CKR_OK && class == CKO_PUBLIC_KEY)
                rv = object_session_public_key(slot, template, n, &object);
        else if (rv == CKR_OK && type != CKK_GENERIC_SECRET)
                rv = CKR_TOKEN_WRITE_PROTECTED;
        else if (rv == CKR_OK && (!value || value->ulValueLen == 0))
                rv = CKR_TEMPLATE_INCOMPLETE;
        else if (rv == CKR_OK)
                rv = object_session_secret(slot, template, n, value->pValue, value->ulValueLen, &object);
        return rv == CKR_OK ? p11_session_add(module, session, object, ret) : rv;
}

CK_RV C_CreateObject(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount,
        CK_OBJECT_HANDLE_PTR phObject)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        CK_ULONG class = CK_UNAVAILABLE_INFORMATION;
        const struct p11_slot *slot;
        bool token = false;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!phObject || template_check(pTemplate, ulCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        rv = template_bool(pTemplate, ulCount, CKA_TOKEN, &token);
        if (rv == CKR_OK)
                rv = template_ulong(pTemplate, ulCount, CKA_CLASS, &class);
        if (rv == CKR_OK)
                rv = writable_slot(module, hSession, token, &catalogue, &slot);
        if (rv != CKR_OK)
                return rv;
        if (class == CK_UNAVAILABLE_INFORMATION)
                return CKR_TEMPLATE_INCOMPLETE;
        if (class == CKO_CERTIFICATE && token)
                return import_certificate(module, slot, pTemplate, ulCount, phObject);
        if ((class == CKO_PUBLIC_KEY || class == CKO_SECRET_KEY) && !token)
                return keep(module, hSession, slot->id, pTemplate, ulCount, phObject);
        return token || class == CKO_PRIVATE_KEY ? CKR_TOKEN_WRITE_PROTECTED : CKR_ATTRIBUTE_VALUE_INVALID;
}

/* ---- changing and deleting ---- */

static CK_RV rename_object(struct module *module, const struct p11_object *object, const CK_ATTRIBUTE *label)
{
        _cleanup_(key_freep) struct tokend_key *key = NULL;
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        _cleanup_(freep) char *nickname = NULL;
        struct tokend_failure failure = {0};
        CK_RV rv;

        if (attributes_match(&object->attributes, label, 1))
                return CKR_OK;
        if (object->class == CKO_CERTIFICATE)
                return CKR_ATTRIBUTE_READ_ONLY;
        if (object->class == CKO_SECRET_KEY)
                return object->name ? CKR_ATTRIBUTE_READ_ONLY : promise_keep(module, object, label);
        rv = template_text(label, 1, CKA_LABEL, &nickname);
        if (rv == CKR_OK && !nickname)
                rv = CKR_ATTRIBUTE_VALUE_INVALID;
        if (rv == CKR_OK)
                rv = label_check(module, nickname);
        if (rv != CKR_OK)
                return rv;
        (void)tokend_rename(
                module->calls, object->name, nickname, module->settings.timeout_ms, &key, &failure);
        rv = module_error(&failure, CKR_ATTRIBUTE_VALUE_INVALID, CKR_TOKEN_WRITE_PROTECTED);
        return rv == CKR_OK ? module_catalogue(module, true, &catalogue) : rv;
}

static bool is_unnamed(const struct p11_object *object)
{
        char nickname[UNNAMED_SIZE] = "";
        const void *label;
        size_t length;

        if (!attributes_get(&object->attributes, CKA_LABEL, &label, &length) || length >= sizeof(nickname))
                return false;
        memcpy(nickname, label, length);
        return nickname_is_unnamed(nickname);
}

/* A key that has no name yet is named by its CKA_ID, if that can be a nickname: so SunPKCS11 gives its alias, before it puts a
 * certificate of that CKA_LABEL there. The id itself stays as the daemon made it, and the certificate gets it. */
static CK_RV set_id(struct module *module, const struct p11_object *object, const CK_ATTRIBUTE *id)
{
        const CK_ATTRIBUTE label = {CKA_LABEL, id->pValue, id->ulValueLen};
        CK_RV rv;

        if (attributes_match(&object->attributes, id, 1))
                return CKR_OK;
        if (object->class == CKO_CERTIFICATE || object->class == CKO_SECRET_KEY || !is_unnamed(object))
                return CKR_ATTRIBUTE_READ_ONLY;
        rv = rename_object(module, object, &label);
        return rv == CKR_ATTRIBUTE_VALUE_INVALID ? CKR_ATTRIBUTE_READ_ONLY : rv;
}

/* NSS sets CKA_ID to what it is, and CKA_SUBJECT, which a key here does not have. */
static CK_RV set_on_token(
        struct module *module, const struct p11_object *object, const CK_ATTRIBUTE *attribute)
{
        switch (attribute->type) {
        case CKA_LABEL:
                return rename_object(module, object, attribute);
        case CKA_ID:
                return set_id(module, object, attribute);
        case CKA_SUBJECT:
                return object->class == CKO_CERTIFICATE ? CKR_ATTRIBUTE_READ_ONLY : CKR_OK;
        default:
                return attributes_match(&object->attributes, attribute, 1) ? CKR_OK : CKR_ATTRIBUTE_READ_ONLY;
        }
}

/* What a program may say of an object of a session, when it changes or copies it: how it is called; the rest is as it is. */
static CK_RV check_change(const struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        for (CK_ULONG i = 0; i < n; i++)
                switch (template[i].type) {
                case CKA_LABEL:
                case CKA_ID:
                case CKA_SUBJECT:
                case CKA_START_DATE:
                case CKA_END_DATE:
                        break;
                default:
                        if (!attributes_match(&object->attributes, &template[i], 1))
                                return CKR_ATTRIBUTE_READ_ONLY;
                }
        return CKR_OK;
}

static CK_RV set_in_session(
        struct module *module, const struct p11_object *object, const CK_ATTRIBUTE *template, CK_ULONG n)
{
        _cleanup_(object_unrefp) struct p11_object *changed = NULL;
        CK_RV rv = check_change(object, template, n);

        if (rv != CKR_OK)
                return rv;
        changed = object_copy(object, template, n);
        return changed ? p11_session_replace(module, object, changed) : CKR_HOST_MEMORY;
}

CK_RV C_SetAttributeValue(
        CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        CK_FLAGS flags;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, &flags);
        if (rv != CKR_OK)
                return rv;
        if (ulCount == 0 || template_check(pTemplate, ulCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hObject, CKR_OBJECT_HANDLE_INVALID, &object);
        if (rv != CKR_OK)
                return rv;
        if (object->class == CKO_PROFILE)
                return CKR_ACTION_PROHIBITED;
        if (object->session)
                return set_in_session(module, object, pTemplate, ulCount);
        if (!(flags & CKF_RW_SESSION))
                return CKR_SESSION_READ_ONLY;
        for (CK_ULONG i = 0; i < ulCount && rv == CKR_OK; i++)
                rv = set_on_token(module, object, &pTemplate[i]);
        return rv;
}

/* NSS copies a server's key to a session object and the copy once more, and goes on with the key on the token where that is refused. */
CK_RV C_CopyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE_PTR pTemplate,
        CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phNewObject)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL, *copy = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!phNewObject || template_check(pTemplate, ulCount) != CKR_OK)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hObject, CKR_OBJECT_HANDLE_INVALID, &object);
        if (rv != CKR_OK)
                return rv;
        if (!object->sealed)
                return CKR_ACTION_PROHIBITED;
        if (check_change(object, pTemplate, ulCount) != CKR_OK)
                return CKR_TEMPLATE_INCONSISTENT;
        copy = object_copy(object, pTemplate, ulCount);
        return copy ? p11_session_add(module, hSession, copy, phNewObject) : CKR_HOST_MEMORY;
}

/* A pair is one key to the daemon: the private half takes the public one along, and the public half alone stays. */
static CK_RV delete_from_token(struct module *module, const struct p11_object *object)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        struct tokend_failure failure = {0};
        CK_RV rv;

        switch (object->class) {
        case CKO_PUBLIC_KEY:
                return CKR_OK;
        case CKO_SECRET_KEY:
                if (!object->name)
                        return promise_forget(module, object->handle);
                (void)tokend_secret_delete(
                        module->calls, object->name, module->settings.timeout_ms, &failure);
                break;
        case CKO_PRIVATE_KEY:
                (void)tokend_delete(module->calls, object->name, module->settings.timeout_ms, &failure);
                break;
        case CKO_CERTIFICATE:
                (void)tokend_delete_certificate(
                        module->calls, object->name, module->settings.timeout_ms, &failure);
                break;
        default:
                return CKR_ACTION_PROHIBITED;
        }
        rv = module_error(&failure, CKR_OBJECT_HANDLE_INVALID, CKR_TOKEN_WRITE_PROTECTED);
        return rv == CKR_OK ? module_catalogue(module, true, &catalogue) : rv;
}

/* OpenDNSSEC and crypto11 delete the private half of a pair and then the public one, which has gone with it; a certificate goes with the
 * one that took its place. */
static CK_RV delete_gone(struct module *module, CK_OBJECT_HANDLE object)
{
        bool gone;

        module_lock();
        gone = handles_delete_gone(&module->handles, object);
        module_unlock();
        return gone ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        CK_FLAGS flags;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, &flags);
        if (rv == CKR_OK)
                rv = module_object_of(module, hObject, CKR_OBJECT_HANDLE_INVALID, &object);
        if (rv == CKR_OBJECT_HANDLE_INVALID && (flags & CKF_RW_SESSION))
                return delete_gone(module, hObject);
        if (rv != CKR_OK)
                return rv;
        if (object->session)
                return p11_session_remove(module, hObject);
        return flags & CKF_RW_SESSION ? delete_from_token(module, object) : CKR_SESSION_READ_ONLY;
}
