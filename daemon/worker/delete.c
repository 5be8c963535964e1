/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Removes a pair, the private key first: what matters is gone, or nothing is. Certificates stay. Called by a
 * session thread through operation_run().
 */
#include "daemon/util/ckr.h"
#include "daemon/worker/pair.h"

/* A pair has one public key; a few more of its id may have been left by others. */
#define PAIR_MAX 16U

CK_RV delete_attempt(struct operation *operation, const void *request)
{
        const struct message_delete *message = request;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handles[PAIR_MAX];
        size_t n = directory_pair(operation->directory, message->key, handles, ARRAY_SIZE(handles));
        CK_RV rv;

        if (n == 0)
                return operation_answer(operation, REPLY_KEY_GONE, "no such key");
        rv = P11(session, C_DestroyObject, session->handle, handles[0]);
        if (rv != CKR_OK && ckr_class(rv) == CKR_CLASS_DEVICE)
                return operation_unknown(operation, rv, "the device was lost while the key was deleted");
        if (rv != CKR_OK)
                return rv;
        for (size_t i = 1; i < n; i++) {
                rv = P11(session, C_DestroyObject, session->handle, handles[i]);
                if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
                        return pair_renew(operation)
                                       ? operation_unknown(operation, rv,
                                                 "the private key is gone, its public key is left")
                                       : CKR_OK;
        }
        (void)pair_renew(operation);
        return CKR_OK;
}
