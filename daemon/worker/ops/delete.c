/* SPDX-License-Identifier: MPL-2.0 */
/*
 * DELETE removes a pair, the private key first: if that fails nothing was changed. Its certificates stay.
 * CERT_DELETE removes one certificate; its key, if it has one, stays. Called by a session thread through
 * operation_run().
 */
#include "daemon/worker/core/operation.h"

/* A pair has one public key; others may have left a few more of its id. */
#define PAIR_MAX 16U

/* A handle that another process made invalid is looked up again, once. One that is invalid after a try that failed is no
 * word on the object. */
static int destroy(struct operation *operation, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE handle)
{
        int r = operation_destroy(operation, class, handle);

        if (session_said(operation->session, r, CKR_OBJECT_HANDLE_INVALID) &&
                operation->destroy_failed != CKR_OBJECT_HANDLE_INVALID)
                return operation_gone(operation, "");
        return r;
}

/* A public key that is left would keep its nickname in use: it is tried once more if the device was short of
 * something. */
static int destroy_public(struct operation *operation, CK_OBJECT_HANDLE handle)
{
        struct session *session = operation->session;
        int r = operation_destroy(operation, CKO_PUBLIC_KEY, handle);

        if (session_class(session, r) == CKR_CLASS_BUSY) {
                usleep(OPERATION_BUSY_WAIT_USEC);
                r = operation_destroy(operation, CKO_PUBLIC_KEY, handle);
        }
        return session_said(session, r, CKR_OBJECT_HANDLE_INVALID) &&
                               operation->destroy_failed == CKR_OBJECT_HANDLE_INVALID
                       ? 0
                       : r;
}

/* Not through operation_run() once more: that would find no such key. */
static int public_is_left(struct operation *operation, int r)
{
        struct failed_call failed = operation->session->failed;
        int renewed = operation_renew(operation);

        if (renewed != 0)
                return renewed;
        operation->session->failed = failed;
        return operation_unknown(operation, r, "the private key is deleted, its public key is left");
}

int delete_attempt(struct operation *operation, const void *request)
{
        const struct message_delete *message = request;
        CK_OBJECT_HANDLE handles[PAIR_MAX];
        size_t n = inventory_pair(operation->inventory, message->key, handles, ARRAY_SIZE(handles));
        int r;

        if (n == 0)
                return operation_gone(operation, "there is no such key");
        r = destroy(operation, CKO_PRIVATE_KEY, handles[0]);
        if (r != 0)
                return r;
        for (size_t i = 1; i < n; i++) {
                r = destroy_public(operation, handles[i]);
                if (r != 0)
                        return public_is_left(operation, r);
        }
        return operation_renew(operation);
}

int cert_delete_attempt(struct operation *operation, const void *request)
{
        const struct message_cert_delete *message = request;
        CK_OBJECT_HANDLE handle = inventory_certificate(operation->inventory, message->key);
        int r;

        if (handle == CK_INVALID_HANDLE)
                return operation_gone(operation, "there is no such certificate");
        r = destroy(operation, CKO_CERTIFICATE, handle);
        return r == 0 ? operation_renew(operation) : r;
}
