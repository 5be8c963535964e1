/* SPDX-License-Identifier: MPL-2.0 */
/*
 * SIGN: in steady state two calls into the module, C_SignInit and C_Sign, and no other. Called by a session
 * thread through operation_run(); may run twice, because signing changes nothing on the token.
 */
#include "daemon/util/algorithm.h"
#include "daemon/worker/ops/private-key.h"

static int sign_with(struct operation *operation, struct inventory_key *key, const void *request)
{
        const struct message_sign *message = request;
        struct signing signing;
        CK_OBJECT_HANDLE object;
        int r = operation_prepare(operation, &signing, &TO_SIGN(message), key->key_type, key->size);

        if (r == 0)
                r = private_key_object(operation, key, &object);
        return r == 0 ? operation_sign(operation, &signing, object) : r;
}

int sign_attempt(struct operation *operation, const void *request)
{
        const struct message_sign *message = request;

        return private_key_use(operation, &(struct private_use){.number = message->key,
                                                  .usage = USAGE_SIGN,
                                                  .mechanism = signing_mechanism(message->algorithm),
                                                  .run = sign_with,
                                                  .request = message});
}
