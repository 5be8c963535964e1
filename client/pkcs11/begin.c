/* SPDX-License-Identifier: MPL-2.0 */
/* See begin.h. */
#include "client/pkcs11/begin.h"

CK_RV begin_with_key(CK_SESSION_HANDLE handle, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
        const struct operation_with_key *operation)
{
        _cleanup_(object_unrefp) struct p11_object *object = NULL;
        void *state = NULL;
        CK_RV rv;

        ENTER_MODULE;

        rv = p11_session_info(module, handle, NULL, NULL);
        if (rv != CKR_OK)
                return rv;
        if (!mechanism)
                return p11_session_cancel(module, handle, operation->kind);
        if (!mechanism->pParameter && mechanism->ulParameterLen > 0)
                return CKR_ARGUMENTS_BAD;
        rv = module_object_of(module, key, CKR_KEY_HANDLE_INVALID, &object);
        if (rv == CKR_OK)
                rv = operation->make(mechanism, operation->kind, object, &state);
        if (rv != CKR_OK)
                return rv;
        return p11_session_begin(
                module, handle, operation_new(operation->kind, state, operation->free_state));
}
