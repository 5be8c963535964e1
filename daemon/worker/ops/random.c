/* SPDX-License-Identifier: MPL-2.0 */
/* Random bytes of the token's own generator, else of NSS's. Called by a session thread through
 * operation_run(). */
#include <nss/pk11pub.h>

#include "daemon/util/ckr.h"
#include "daemon/worker/core/operation.h"

CK_RV random_attempt(struct operation *operation, const void *request)
{
        const struct message_random *message = request;
        struct session *session = operation->session;
        struct result *result = &operation->result;
        CK_RV rv = CKR_RANDOM_NO_RNG;

        if (message->length == 0 || message->length > LIMIT_RANDOM)
                return operation_answer(
                        operation, REPLY_INVALID, "%u bytes of random are not to be had", message->length);
        if (session->token->info.flags & CKF_RNG)
                rv = P11(session, C_GenerateRandom, session->handle, result->payload, message->length);
        if (rv != CKR_OK && session->token->config->role == ROLE_ACCELERATOR &&
                ckr_class(rv) == CKR_CLASS_REQUEST)
                return operation_answer(operation, REPLY_NOT_SUPPORTED, "the accelerator has no generator");
        if (rv == CKR_RANDOM_NO_RNG || rv == CKR_FUNCTION_NOT_SUPPORTED)
                rv = PK11_GenerateRandom(result->payload, (int)message->length) == SECSuccess ? CKR_OK : rv;
        if (rv == CKR_OK)
                result->payload_length = message->length;
        return rv;
}
