/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See accel.h: what both ends of a transfer must do alike; SIGN_COPY and FORGET_COPY, which a session thread of an
 * accelerator calls through operation_run(). A copy that the token does not know any more is one of all that were lost.
 */
#include "daemon/worker/accel/accel.h"

#include <sys/random.h>

#include "daemon/util/ckr.h"

int accel_prepare(struct accel *accel, const struct slot_token *token)
{
        uint64_t first;

        if (getrandom(&first, sizeof(first), 0) != (ssize_t)sizeof(first))
                return -EIO;
        return copies_new(token->config->accelerated_keys, first, &accel->copies);
}

int accel_init(struct accel *accel)
{
        *accel = (struct accel){.channel = {.fd = -1}};
        pthread_mutex_init(&accel->load_lock, NULL);
        return accel_channels_new(&accel->channels);
}

/* ---- the two mechanisms ---- */

CK_MECHANISM_TYPE wrap_mechanism(const struct slot_token *token)
{
        if (slot_token_has_mechanism(token, CKM_AES_KEY_WRAP_KWP))
                return CKM_AES_KEY_WRAP_KWP;
        /* The older name; SoftHSM means RFC 5649 by it. Where another module means something else, the copy does not
         * unwrap, or does not match its public key. */
        return slot_token_has_mechanism(token, CKM_AES_KEY_WRAP_PAD) ? CKM_AES_KEY_WRAP_PAD
                                                                     : CKM_VENDOR_DEFINED;
}

CK_MECHANISM wrap_oaep(CK_RSA_PKCS_OAEP_PARAMS *params)
{
        *params = (CK_RSA_PKCS_OAEP_PARAMS){
                .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
        return (CK_MECHANISM){CKM_RSA_PKCS_OAEP, params, sizeof(*params)};
}

bool wrap_can(const struct slot_token *token)
{
        return wrap_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_OAEP) &&
               slot_token_has_mechanism(token, CKM_AES_KEY_GEN);
}

bool wrap_can_take(const struct slot_token *token)
{
        return wrap_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_OAEP) &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_KEY_PAIR_GEN);
}

/* ---- SIGN_COPY, FORGET_COPY ---- */

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
        rv = operation_sign(operation, &signing, key->handle);
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
