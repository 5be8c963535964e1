/* SPDX-License-Identifier: MPL-2.0 */
/* See pair.h. */
#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/worker/ops/pair.h"

CK_RV pair_id(struct session *session, CK_OBJECT_HANDLE public, uint8_t ret[static KEY_ID_LENGTH])
{
        _cleanup_(object_freep) struct object *object = NULL;
        CK_RV rv = object_read(session, CKO_PUBLIC_KEY, public, &object);
        int r;

        if (rv != CKR_OK)
                return rv;
        r = key_id((struct der){object->der, object->der_length}, ret);
        return r == 0 ? CKR_OK : r == -EINVAL ? CKR_ATTRIBUTE_VALUE_INVALID : CKR_FUNCTION_FAILED;
}

static CK_RV set_id(struct session *session, CK_OBJECT_HANDLE object, struct wire_bytes id)
{
        CK_ATTRIBUTE attribute = {CKA_ID, (void *)(uintptr_t)id.data, id.length};
        CK_RV rv = P11(session, C_SetAttributeValue, session->handle, object, &attribute, 1);

        if (ckr_is_vague(rv) || rv == CKR_FUNCTION_FAILED) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                rv = P11(session, C_SetAttributeValue, session->handle, object, &attribute, 1);
        }
        return rv;
}

bool pair_set_id(struct session *session, CK_OBJECT_HANDLE private, CK_OBJECT_HANDLE public,
        struct wire_bytes id, struct wire_bytes was)
{
        if (set_id(session, private, id) != CKR_OK)
                return false;
        if (set_id(session, public, id) == CKR_OK)
                return true;
        if (set_id(session, private, was) != CKR_OK)
                log_warning("token %s: the two halves of a new pair have different ids, and the token lets "
                            "neither be set",
                        session->token->config->name);
        return false;
}

CK_RV pair_search(struct session *session, CK_OBJECT_CLASS class, struct wire_bytes id, const char *label,
        CK_OBJECT_HANDLE *handles, size_t n, size_t *ret)
{
        CK_BBOOL yes = CK_TRUE;
        CK_ATTRIBUTE template[] = {
                {CKA_CLASS, &class, sizeof(class)},
                {CKA_TOKEN, &yes, sizeof(yes)},
                {CKA_ID, (void *)(uintptr_t)id.data, id.length},
        };
        CK_ULONG found = 0;
        CK_RV rv, final;

        if (id.length == 0)
                template[2] = (CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};
        rv = P11(session, C_FindObjectsInit, session->handle, template, ARRAY_SIZE(template));
        if (rv != CKR_OK)
                return rv;
        rv = P11(session, C_FindObjects, session->handle, handles, n, &found);
        final = P11(session, C_FindObjectsFinal, session->handle);
        if (rv == CKR_OK)
                rv = final;
        if (rv == CKR_OK)
                *ret = MIN_OF(found, n);
        return rv;
}

static CK_RV remove_one(
        struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle, const char *nickname)
{
        _cleanup_(object_freep) struct object *object = NULL;
        CK_RV rv = object_read(operation->session, class, handle, &object);

        if (rv == CKR_OK && object->label_length > 0 &&
                (object->label_length != strlen(nickname) ||
                        memcmp(object->label, nickname, object->label_length) != 0))
                return CKR_OK;
        if (rv == CKR_OK)
                rv = operation_destroy(operation, class, handle);
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

CK_RV pair_remove(struct operation *operation, struct wire_bytes id, const char *nickname)
{
        static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
        CK_OBJECT_HANDLE handles[16];

        for (size_t c = 0; c < ARRAY_SIZE(classes); c++) {
                size_t n = 0;
                CK_RV rv = pair_search(
                        operation->session, classes[c], id, NULL, handles, ARRAY_SIZE(handles), &n);

                for (size_t i = 0; i < n && rv == CKR_OK; i++)
                        rv = remove_one(operation, classes[c], handles[i], nickname);
                if (rv != CKR_OK)
                        return rv;
        }
        return CKR_OK;
}

bool pair_renew(struct operation *operation)
{
        struct session *session = operation->session;
        CK_RV rv = inventory_refresh(operation->inventory, session, operation->report, false);

        if (ckr_class(rv) == CKR_CLASS_SESSION) {
                rv = session_recover(session, &operation->failure);
                if (rv == CKR_OK)
                        rv = inventory_refresh(operation->inventory, session, operation->report, false);
        }
        if (rv == CKR_OK)
                return true;
        operation_unknown(operation, rv, "the change was made, and the token cannot be listed since");
        return false;
}
