/* SPDX-License-Identifier: MPL-2.0 */
/*
 * See accel.h: what both ends of a transfer must do alike; SIGN_COPY and FORGET_COPY, which a session thread
 * of an accelerator calls through operation_run(). If the token does not know a copy any more, all copies are
 * lost.
 */
#include "daemon/worker/accel/accel.h"

#include <sys/random.h>

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

CK_MECHANISM_TYPE accel_mechanism(const struct slot_token *token)
{
        if (slot_token_has_mechanism(token, CKM_AES_KEY_WRAP_KWP))
                return CKM_AES_KEY_WRAP_KWP;
        /* The older name. SoftHSM means RFC 5649 by it. If another module means something else, the copy
         * cannot be unwrapped or does not match its public key. */
        return slot_token_has_mechanism(token, CKM_AES_KEY_WRAP_PAD) ? CKM_AES_KEY_WRAP_PAD
                                                                     : CKM_VENDOR_DEFINED;
}

CK_MECHANISM accel_oaep(CK_RSA_PKCS_OAEP_PARAMS *params)
{
        *params = (CK_RSA_PKCS_OAEP_PARAMS){
                .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
        return (CK_MECHANISM){CKM_RSA_PKCS_OAEP, params, sizeof(*params)};
}

bool accel_can_wrap(const struct slot_token *token)
{
        return accel_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_OAEP) &&
               slot_token_has_mechanism(token, CKM_AES_KEY_GEN);
}

bool accel_can_unwrap(const struct slot_token *token)
{
        return accel_mechanism(token) != CKM_VENDOR_DEFINED &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_OAEP) &&
               slot_token_has_mechanism(token, CKM_RSA_PKCS_KEY_PAIR_GEN);
}

/* ---- SIGN_COPY, FORGET_COPY ---- */

static int sign_with(
        struct operation *operation, const struct message_sign_copy *message, const struct copy_key *key)
{
        struct session *session = operation->session;
        struct signing signing;
        int r = operation_prepare(operation, &signing, &TO_SIGN(message), key->key_type, key->size);

        if (r != 0)
                return r;
        if (!slot_token_has_mechanism(session->token, signing.mechanism.mechanism))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the accelerator lacks the mechanism");
        r = operation_sign(operation, &signing, key->handle);
        /* Either the session or the object is lost: no handle that was given out before can be trusted. */
        if (session_class(session, r) == CKR_CLASS_SESSION)
                copies_clear(operation->accel->copies);
        return r;
}

int sign_copy_attempt(struct operation *operation, const void *request)
{
        const struct message_sign_copy *message = request;
        struct copies *copies = operation->accel->copies;
        struct copy_key key;
        bool lost;
        int r;

        if (!copies || !copies_use(copies, message->key, &key))
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such copy");
        r = sign_with(operation, message, &key);
        if (copies_release(copies, &key, &lost))
                session_destroy(operation->session, key.handle);
        if (r != 0 || !lost)
                return r;
        /* The token may have given the handle to another key, and that key may have made the signature. */
        operation->result.payload_length = 0;
        return operation_answer(operation, REPLY_KEY_GONE, "the copy was lost meanwhile");
}

int forget_copy_attempt(struct operation *operation, const void *request)
{
        const struct message_forget_copy *message = request;
        struct copies *copies = operation->accel->copies;
        CK_OBJECT_HANDLE handle;

        if (copies && copies_remove(copies, message->key, &handle))
                session_destroy(operation->session, handle);
        return 0;
}
