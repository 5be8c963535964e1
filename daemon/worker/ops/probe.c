/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Asks the device itself whether it is there: for an operator, and when nothing else was asked for a while.
 * Called by a session thread through operation_run().
 */
#include "daemon/worker/core/operation.h"

CK_RV probe_attempt(struct operation *operation, const void *request)
{
        struct session *session = operation->session;
        CK_TOKEN_INFO info;
        CK_RV rv = P11(session, C_GetTokenInfo, session->token->slot, &info);

        return rv == CKR_OK ? session_check(session) : rv;
}
