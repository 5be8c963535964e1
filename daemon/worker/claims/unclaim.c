/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Removes a claim of another host, because an operator says so: that host's daemon is stopped, or its worker has started
 * anew since. Our own are removed at the start, and by whoever wrote them. Called by a session thread through
 * operation_run().
 */
#include <string.h>

#include "daemon/util/log.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/claims/claims.h"
#include "daemon/worker/core/operation.h"

/* No claimant: of those that cannot be read. */
static bool fits(const struct claim_object *object, struct wire_bytes claimant)
{
        if (claimant.length == 0 || !object->readable)
                return claimant.length == 0 && !object->readable;
        return memcmp(object->claim.claimant, claimant.data, CLAIMANT_LENGTH) == 0;
}

CK_RV unclaim_attempt(struct operation *operation, const void *request)
{
        const struct message_unclaim *message = request;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0, removed = 0;
        CK_RV rv;

        if (message->nickname[0] == '\0')
                return operation_answer(operation, REPLY_INVALID, "nickname: it is empty");
        if (message->claimant.length != 0 && message->claimant.length != CLAIMANT_LENGTH)
                return operation_answer(
                        operation, REPLY_INVALID, "claimant: it has %u bytes", CLAIMANT_LENGTH);
        if (message->claimant.length != 0 &&
                memcmp(message->claimant.data, operation->claimant->id, CLAIMANT_LENGTH) == 0)
                return operation_answer(operation, REPLY_INVALID, "claimant: it is this daemon");
        rv = claims_find(session, message->nickname, handles, &n);
        for (size_t i = 0; i < n && rv == CKR_OK; i++) {
                struct claim_object object;

                rv = claims_read(session, handles[i], &object);
                if (rv == CKR_OK && fits(&object, message->claimant)) {
                        rv = P11(session, C_DestroyObject, session->handle, handles[i]);
                        removed += rv == CKR_OK;
                }
                if (rv == CKR_OBJECT_HANDLE_INVALID)
                        rv = CKR_OK;
        }
        if (rv != CKR_OK)
                return rv;
        if (removed == 0)
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such claim");
        log_notice("token %s: the claim on %s was removed by an operator", session->token->config->name,
                message->nickname);
        return CKR_OK;
}
