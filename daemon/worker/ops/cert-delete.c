/* SPDX-License-Identifier: MPL-2.0 */
/* Removes one certificate; its key, if it has one, stays. Called by a session thread through operation_run(). */
#include "daemon/worker/ops/pair.h"

CK_RV cert_delete_attempt(struct operation *operation, const void *request)
{
        const struct message_cert_delete *message = request;
        CK_OBJECT_HANDLE handle = inventory_certificate(operation->inventory, message->key);
        CK_RV rv;

        if (handle == CK_INVALID_HANDLE)
                return operation_answer(operation, REPLY_KEY_GONE, "no such certificate");
        rv = operation_destroy(operation, CKO_CERTIFICATE, handle);
        if (rv != CKR_OK)
                return rv;
        (void)pair_renew(operation);
        return CKR_OK;
}
