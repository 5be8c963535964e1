/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SIGN: in steady state two calls into the module, C_SignInit and C_Sign, and no other. Called by a session
 * thread through operation_run(); may run twice, because signing changes nothing on the token.
 *
 * The internal token signs 25 times faster with a session copy of an RSA key than with the token object
 * (docs/tokens.md). The copy is made at a key's first signature, belongs to the session of the thread that
 * made it, and is used by all threads. Softoken gives no handle of a session object twice.
 */
#include "daemon/util/algorithm.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/device/attribute.h"

/* Sets key->copy; it stays CK_INVALID_HANDLE if the token refuses, which is not an error. */
static int make_copy(struct operation *operation, struct inventory_key *key)
{
        struct session *session = operation->session;
        CK_ATTRIBUTE template = ATTRIBUTE_BOOL(CKA_TOKEN, false);
        CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
        int r = P11(session, C_CopyObject, session->handle, key->handle, &template, 1, &copy);

        if (session_class(session, r) == CKR_CLASS_SESSION || session_class(session, r) == CKR_CLASS_DEVICE)
                return r;
        if (r != 0)
                copy = CK_INVALID_HANDLE;
        if (inventory_set_copy(operation->inventory, key->number, copy))
                key->copy = copy;
        else
                session_destroy(session, copy); /* another thread was faster, or the key is gone */
        return 0;
}

static int check_key(struct operation *operation, const struct inventory_key *key, unsigned algorithm)
{
        if (!(key->usage & USAGE_SIGN))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the key has no CKA_SIGN");
        /* Each signature would cost an attempt of the PIN: a wrong PIN would lock the token at once. */
        if (key->always_authenticate)
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE)");
        if (!slot_token_has_mechanism(operation->session->token, signing_mechanism(algorithm)))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        return 0;
}

static int sign_with(
        struct operation *operation, const struct message_sign *message, struct inventory_key *key)
{
        struct session *session = operation->session;
        struct signing signing;
        int r;

        r = check_key(operation, key, message->algorithm);
        if (r == 0)
                r = operation_prepare(operation, &signing, &TO_SIGN(message), key->key_type, key->size);
        if (r == 0 && session->token->internal && key->copy == CK_INVALID_HANDLE && !key->no_copy)
                r = make_copy(operation, key);
        if (r != 0)
                return r;
        r = operation_sign(operation, &signing, key->copy != CK_INVALID_HANDLE ? key->copy : key->handle);
        if (session_class(session, r) == CKR_CLASS_SESSION && key->copy != CK_INVALID_HANDLE)
                inventory_forget_copy(operation->inventory, key->number, key->copy);
        return r;
}

int sign_attempt(struct operation *operation, const void *request)
{
        const struct message_sign *message = request;
        struct inventory_key key;
        int r;

        for (;;) {
                if (!inventory_key(operation->inventory, message->key, &key))
                        return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
                r = sign_with(operation, message, &key);
                if (r != 0 || inventory_has_still(operation->inventory, &key))
                        return r;
                /* It was deleted meanwhile, or has another handle: another key may have made the
                 * signature. */
                operation->result.payload_length = 0;
        }
}
