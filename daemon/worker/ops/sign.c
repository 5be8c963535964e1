/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A signature: two calls into the module in steady state, C_SignInit and C_Sign, and no other. Called by a
 * session thread through operation_run(); may run twice, since signing changes nothing on the token.
 *
 * The internal token signs 25 times faster with a session copy of an RSA key than with the token object
 * (docs/tokens.md): the copy is made at a key's first signature, owned by the session of the thread that made it, and
 * used by all.
 */
#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckr.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/encoding/signing.h"

/* CKR_OK, with key->copy or key->no_copy set; a lost session is reported, any other refusal is not an error.
 */
static CK_RV make_copy(struct operation *operation, uint64_t number, struct inventory_key *key)
{
        struct session *session = operation->session;
        CK_BBOOL no = CK_FALSE;
        CK_ATTRIBUTE template = {CKA_TOKEN, &no, sizeof(no)};
        CK_OBJECT_HANDLE copy = CK_INVALID_HANDLE;
        CK_RV rv = P11(session, C_CopyObject, session->handle, key->handle, &template, 1, &copy);

        if (ckr_class(rv) == CKR_CLASS_SESSION || ckr_class(rv) == CKR_CLASS_DEVICE)
                return rv;
        if (rv != CKR_OK)
                copy = CK_INVALID_HANDLE;
        if (!inventory_set_copy(operation->inventory, number, copy) && copy != CK_INVALID_HANDLE) {
                /* Another thread was faster, or the key is gone. */
                (void)P11(session, C_DestroyObject, session->handle, copy);
                return inventory_key(operation->inventory, number, key) ? CKR_OK : CKR_KEY_HANDLE_INVALID;
        }
        key->copy = copy;
        return CKR_OK;
}

/* CKR_OK, with status REPLY_OK where the key may sign so. */
static CK_RV check_key(struct operation *operation, const struct inventory_key *key, unsigned algorithm)
{
        if (!(key->usage & USAGE_SIGN))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the key has no CKA_SIGN");
        if (key->always_authenticate)
                /* Each signature would cost an attempt of the PIN: a wrong one would lock the token in no
                 * time. */
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE)");
        if (!slot_token_has_mechanism(operation->session->token, signing_mechanism(algorithm)))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        return CKR_OK;
}

static CK_RV sign_with(
        struct operation *operation, const struct message_sign *message, struct inventory_key *key)
{
        struct signing signing;
        CK_RV rv;
        int r;

        rv = check_key(operation, key, message->algorithm);
        if (rv != CKR_OK || operation->result.status != REPLY_OK)
                return rv;
        r = signing_init(
                &signing, message->algorithm, message->prehashed, message->data, key->key_type, key->size);
        if (r == -ENOTSUP)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the algorithm does not fit the key");
        if (r < 0)
                return operation_answer(operation, REPLY_INVALID, "the data does not fit the algorithm");
        if (operation->session->token->internal && key->copy == CK_INVALID_HANDLE && !key->no_copy) {
                rv = make_copy(operation, message->key, key);
                if (rv != CKR_OK)
                        return rv;
        }
        rv = operation_sign(operation, &signing, key->copy != CK_INVALID_HANDLE ? key->copy : key->handle);
        if (ckr_class(rv) == CKR_CLASS_SESSION && key->copy != CK_INVALID_HANDLE)
                inventory_forget_copy(operation->inventory, message->key, key->copy);
        return rv;
}

CK_RV sign_attempt(struct operation *operation, const void *request)
{
        const struct message_sign *message = request;
        struct inventory_key key;
        CK_RV rv;

        for (;;) {
                if (!inventory_key(operation->inventory, message->key, &key))
                        return operation_answer(operation, REPLY_KEY_GONE, "no such key");
                rv = sign_with(operation, message, &key);
                if (rv != CKR_OK || operation->result.payload_length == 0 ||
                        inventory_has_still(operation->inventory, &key))
                        return rv;
                /* It was deleted meanwhile, or has another handle: what signed may have been another key. */
                operation->result.payload_length = 0;
        }
}
