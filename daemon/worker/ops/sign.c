/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SIGN: in steady state two calls into the module, C_SignInit and C_Sign, and no other. Called by a session
 * thread through operation_run(); may run twice, because signing changes nothing on the token.
 */
#include "daemon/util/algorithm.h"
#include "daemon/worker/ops/private-key.h"

static int sign_with(struct operation *operation, const struct inventory_key *key, CK_OBJECT_HANDLE object,
        CK_MECHANISM_TYPE mechanism, const void *request)
{
        const struct message_sign *message = request;
        struct to_sign what = TO_SIGN(message);
        struct signing signing;
        int r;

        what.hashed_there = mechanism != signing_mechanism(message->algorithm);
        r = operation_prepare(operation, &signing, &what, key->key_type, key->size);
        return r == 0 ? operation_sign(operation, &signing, object) : r;
}

int sign_attempt(struct operation *operation, const void *request)
{
        const struct message_sign *message = request;

        return private_key_use(operation, &(struct private_use){.number = message->key,
                                                  .usage = USAGE_SIGN,
                                                  .mechanism = signing_mechanism(message->algorithm),
                                                  .instead = signing_hashing(&TO_SIGN(message)),
                                                  .run = sign_with,
                                                  .request = message});
}
