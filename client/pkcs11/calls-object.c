/* SPDX-License-Identifier: MPL-2.0 */
/* Objects: finding them, and reading their attributes. Both are done here, without the daemon but for what is new on a token. */
#include <string.h>

#include "client/pkcs11/session.h"

/* ---- searching ---- */

struct p11_search {
        CK_OBJECT_HANDLE *found;
        size_t n, at;
        bool failed;
        const CK_ATTRIBUTE *template; /* while it is filled */
        CK_ULONG n_template;
};

static void search_free(void *pointer)
{
        struct p11_search *search = pointer;

        if (search)
                free(search->found);
        free(search);
}
DEFINE_CLEANUP(struct p11_search *, search_free);

static void look_at(struct p11_object *object, void *userdata)
{
        struct p11_search *search = userdata;
        CK_OBJECT_HANDLE *grown;

        if (search->failed || !attributes_match(&object->attributes, search->template, search->n_template))
                return;
        grown = reallocarray(search->found, search->n + 1, sizeof(*grown));
        if (!grown) {
                search->failed = true;
                return;
        }
        search->found = grown;
        grown[search->n++] = object->handle;
}

static CK_RV search_token(struct module *module, struct p11_search *search, CK_SLOT_ID slot, bool fresh)
{
        _cleanup_(catalogue_unrefp) struct catalogue *catalogue = NULL;
        CK_RV rv = module_catalogue(module, fresh, &catalogue);

        for (size_t i = 0; rv == CKR_OK && i < catalogue->n_objects; i++)
                if (catalogue->objects[i]->slot == slot)
                        look_at(catalogue->objects[i], search);
        module_lock();
        for (size_t i = 0; i < module->n_promised; i++)
                if (module->promised[i]->slot == slot)
                        look_at(module->promised[i], search);
        module_unlock();
        return rv;
}

/* What is not there may have been made a moment ago: then the daemon is asked, but for classes that it does not keep. */
static bool may_be_new(const struct p11_search *search)
{
        CK_ULONG class = CKO_PRIVATE_KEY;

        if (search->n > 0 || search->n_template == 0 ||
                template_ulong(search->template, search->n_template, CKA_CLASS, &class) != CKR_OK)
                return false;
        return class == CKO_PRIVATE_KEY || class == CKO_PUBLIC_KEY || class == CKO_SECRET_KEY ||
               class == CKO_CERTIFICATE;
}

static CK_RV search_all(struct module *module, struct p11_search *search, CK_SLOT_ID slot)
{
        bool on_token = true, in_session = true, wanted;
        const CK_ATTRIBUTE *token = template_find(search->template, search->n_template, CKA_TOKEN);
        CK_RV rv = CKR_OK;

        if (token && token->ulValueLen == sizeof(CK_BBOOL)) {
                wanted = *(const CK_BBOOL *)token->pValue != CK_FALSE;
                on_token = wanted;
                in_session = !wanted;
        }
        if (in_session) {
                module_lock();
                p11_session_each_object(module, slot, look_at, search);
                module_unlock();
        }
        if (on_token)
                rv = search_token(module, search, slot, false);
        if (on_token && rv == CKR_OK && may_be_new(search))
                rv = search_token(module, search, slot, true);
        if (on_token && rv == CKR_OK && may_be_new(search) && module_await(module, slot))
                rv = search_token(module, search, slot, true);
        return search->failed ? CKR_HOST_MEMORY : rv;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE hSession, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
        _cleanup_(search_freep) struct p11_search *search = NULL;
        CK_SLOT_ID slot;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, &slot, NULL);
        if (rv == CKR_OK)
                rv = template_check(pTemplate, ulCount);
        if (rv != CKR_OK)
                return rv;
        search = calloc(1, sizeof(*search));
        if (!search)
                return CKR_HOST_MEMORY;
        search->template = pTemplate;
        search->n_template = ulCount;
        rv = search_all(module, search, slot);
        search->template = NULL;
        if (rv != CKR_OK)
                return rv;
        return p11_session_begin(
                module, hSession, operation_new(OPERATION_FIND, TAKE_PTR(search), search_free));
}

CK_RV C_FindObjects(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE_PTR phObject, CK_ULONG ulMaxObjectCount,
        CK_ULONG_PTR pulObjectCount)
{
        struct p11_operation *operation = NULL;
        struct p11_search *search;
        size_t n;
        CK_RV rv;

        ENTER_MODULE;

        if ((!phObject && ulMaxObjectCount > 0) || !pulObjectCount)
                return CKR_ARGUMENTS_BAD;
        rv = p11_session_take(module, hSession, OPERATION_FIND, &operation);
        if (rv != CKR_OK)
                return rv;
        search = operation->state;
        n = MIN_OF(ulMaxObjectCount, search->n - search->at);
        if (n > 0)
                memcpy(phObject, search->found + search->at, n * sizeof(*phObject));
        search->at += n;
        *pulObjectCount = n;
        p11_session_put(module, hSession, operation);
        return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE hSession)
{
        _cleanup_(operation_freep) struct p11_operation *operation = NULL;

        ENTER_MODULE;

        return p11_session_take(module, hSession, OPERATION_FIND, &operation);
}

/* ---- attributes ---- */

/* One attribute into the caller's memory: every member of a template is served, and the first error that is not fatal is told. */
static CK_RV give(const struct p11_object *object, CK_ATTRIBUTE *wanted)
{
        const void *value;
        size_t length;

        if (object_hides(object, wanted->type)) {
                wanted->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return CKR_ATTRIBUTE_SENSITIVE;
        }
        if (!attributes_get(&object->attributes, wanted->type, &value, &length)) {
                wanted->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return CKR_ATTRIBUTE_TYPE_INVALID;
        }
        if (!wanted->pValue) {
                wanted->ulValueLen = length;
                return CKR_OK;
        }
        if (wanted->ulValueLen < length) {
                wanted->ulValueLen = CK_UNAVAILABLE_INFORMATION;
                return CKR_BUFFER_TOO_SMALL;
        }
        wanted->ulValueLen = length;
        if (length > 0)
                memcpy(wanted->pValue, value, length);
        return CKR_OK;
}

CK_RV C_GetAttributeValue(
        CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pTemplate || ulCount == 0)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hObject, CKR_OBJECT_HANDLE_INVALID, &object);
        if (rv != CKR_OK)
                return rv;
        for (CK_ULONG i = 0; i < ulCount; i++) {
                CK_RV one = give(object, &pTemplate[i]);

                if (rv == CKR_OK)
                        rv = one;
        }
        return rv;
}

/* What it takes here, in bytes. */
CK_RV C_GetObjectSize(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hObject, CK_ULONG_PTR pulSize)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, hSession, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!pulSize)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, hObject, CKR_OBJECT_HANDLE_INVALID, &object);
        if (rv == CKR_OK)
                *pulSize = object->attributes.values.length;
        return rv;
}
