/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SIGN_COPY and FORGET_COPY, on an accelerator: called by a session thread through operation_run(). A copy that the token
 * does not know any more is one of all that were lost.
 */
#include "daemon/worker/accel/accel.h"

#include "daemon/util/ckr.h"
#include "daemon/worker/encoding/signing.h"

static void destroy(struct session *session, CK_OBJECT_HANDLE handle)
{
        if (handle != CK_INVALID_HANDLE)
                (void)P11(session, C_DestroyObject, session->handle, handle);
}

static CK_RV sign_with(
        struct operation *operation, const struct message_sign_copy *message, const struct copy_key *key)
{
        struct signing signing;
        CK_RV rv;
        int r = signing_init(
                &signing, message->algorithm, message->prehashed, message->data, key->key_type, key->size);

        if (r == -ENOTSUP ||
                (r == 0 && !slot_token_has_mechanism(operation->session->token, signing.mechanism.mechanism)))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the accelerator does not sign so");
        if (r < 0)
                return operation_answer(operation, REPLY_INVALID, "the data does not fit the algorithm");
        rv = sign_by_handle(operation, &signing, key->handle);
        /* Whether it was the session or the object: no handle of before is to be trusted. */
        if (ckr_class(rv) == CKR_CLASS_SESSION)
                copies_clear(operation->accel->copies);
        return rv;
}

CK_RV sign_copy_attempt(struct operation *operation, const void *request)
{
        const struct message_sign_copy *message = request;
        struct copies *copies = operation->accel->copies;
        struct copy_key key;
        bool lost;
        CK_RV rv;

        if (!copies || !copies_use(copies, message->key, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "no such copy");
        rv = sign_with(operation, message, &key);
        if (copies_release(copies, &key, &lost))
                destroy(operation->session, key.handle);
        if (rv != CKR_OK || !lost)
                return rv;
        /* Whatever signed, it may have been another key that the token gave the handle to. */
        operation->result.payload_length = 0;
        return operation_answer(operation, REPLY_KEY_GONE, "the copy was lost meanwhile");
}

CK_RV forget_copy_attempt(struct operation *operation, const void *request)
{
        const struct message_forget_copy *message = request;
        struct copies *copies = operation->accel->copies;
        CK_OBJECT_HANDLE handle;

        if (copies && copies_remove(copies, message->key, &handle))
                destroy(operation->session, handle);
        return CKR_OK;
}
