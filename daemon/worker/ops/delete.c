/* SPDX-License-Identifier: MPL-2.0 */
/*
 * DELETE removes a pair, the private key first: what matters is gone, or nothing is. Its certificates stay. CERT_DELETE
 * removes one certificate; its key, if it has one, stays. Called by a session thread through operation_run().
 */
#include "daemon/util/ckr.h"
#include "daemon/worker/ops/pair.h"

/* A pair has one public key; a few more of its id may have been left by others. */
#define PAIR_MAX 16U

/* A left public key would keep its nickname in use: tried once more where the device was short of something. */
static CK_RV destroy_public(struct operation *operation, CK_OBJECT_HANDLE handle)
{
        CK_RV rv = operation_destroy(operation, CKO_PUBLIC_KEY, handle);

        if (ckr_class(rv) == CKR_CLASS_BUSY) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                rv = operation_destroy(operation, CKO_PUBLIC_KEY, handle);
        }
        return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

CK_RV delete_attempt(struct operation *operation, const void *request)
{
        const struct message_delete *message = request;
        CK_OBJECT_HANDLE handles[PAIR_MAX];
        size_t n = inventory_pair(operation->inventory, message->key, handles, ARRAY_SIZE(handles));
        CK_RV rv;

        if (n == 0)
                return operation_answer(operation, REPLY_KEY_GONE, "no such key");
        rv = operation_destroy(operation, CKO_PRIVATE_KEY, handles[0]);
        if (rv != CKR_OK)
                return rv;
        for (size_t i = 1; i < n; i++) {
                rv = destroy_public(operation, handles[i]);
                /* Not through operation_run() again: it would say that there is no such key. */
                if (rv != CKR_OK && !pair_renew(operation))
                        return CKR_OK;
                if (rv != CKR_OK)
                        return operation_unknown(
                                operation, rv, "the private key is gone, its public key is left");
        }
        (void)pair_renew(operation);
        return CKR_OK;
}

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
