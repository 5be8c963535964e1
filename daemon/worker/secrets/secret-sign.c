/* SPDX-License-Identifier: MPL-2.0 */
/* SIGN_SEALED: as SIGN, with a private key that lies nowhere. Called by a session thread through operation_run(); changes nothing. */
#include "daemon/util/algorithm.h"
#include "daemon/worker/secrets/secret-use.h"

int sign_sealed_attempt(struct operation *operation, const void *request)
{
        const struct message_sign_sealed *message = request;
        struct to_sign what = {
                .algorithm = message->algorithm, .prehashed = message->prehashed, .data = message->data};
        struct signing signing;
        struct opened_key key;
        int r = seal_open(operation, message->instance, message->sealed, "key", 0, &key);

        if (r != 0)
                return r;
        if (!secret_type_info(key.type)->is_private)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "a secret key does not sign");
        if (!(key.usage & USAGE_SIGN))
                return seal_not_its_usage(operation, USAGE_SIGN);
        what.hashed_there =
                !slot_token_can(operation->session->token, signing_mechanism(message->algorithm), CKF_SIGN);
        if (what.hashed_there && !slot_token_can(operation->session->token, signing_hashing(&what), CKF_SIGN))
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the token lacks the mechanism");
        r = operation_prepare(
                operation, &signing, &what, key.type == SECRET_RSA ? KEY_RSA : KEY_EC, key.size);
        /* The numbers of a private key that came in wrapped may be any. */
        return r == 0 ? secret_blame(operation, operation_sign(operation, &signing, key.handle), "key") : r;
}
