/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The claims that were left. Before a worker serves: those of an earlier worker of the same claimant. Its process is dead, so
 * nothing it began goes on. A pair of which half is there is removed, a whole one stays, and then the claim goes.
 *
 * UNCLAIM: a claim of another host, because an operator says so: that host's daemon is stopped, or its worker has started
 * anew since. Called by a session thread through operation_run().
 */
#include "daemon/worker/ops/reclaim.h"

#include <string.h>

#include "daemon/util/log.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/claims/claims.h"

/* The broker asks for everything when it is there. */
static void no_entry(void *userdata, const struct message_entry *entry)
{
}

static void no_drop(void *userdata, uint64_t number)
{
}

static void no_settled(void *userdata, uint64_t generation)
{
}

static const struct report no_report = {no_entry, no_drop, no_settled, NULL};

static CK_RV settle_pair(struct operation *operation, const struct claim_object *object, bool *ret_done)
{
        struct message_settle settle = {
                .nickname = object->nickname, .id = wire_bytes(object->claim.id, object->claim.id_length)};
        struct result *result = &operation->result;

        operation_run(operation, settle_attempt, &settle);
        /* Not known: a whole pair is there, ours or another's, and stays. */
        *ret_done = result->status == REPLY_OK || result->status == REPLY_KEY_GONE ||
                    (result->status == REPLY_OUTCOME_UNKNOWN && result->ckr == CKR_OK);
        if (!*ret_done)
                return result->ckr != CKR_OK ? result->ckr : CKR_FUNCTION_FAILED;
        log_notice("token %s: a generate of %s had not ended: %s", operation->session->token->config->name,
                object->nickname,
                result->status == REPLY_KEY_GONE ? "nothing of it is left" : "the pair is whole");
        return CKR_OK;
}

static CK_RV reclaim_one(struct operation *operation, CK_OBJECT_HANDLE handle)
{
        struct session *session = operation->session;
        struct claim_object object;
        bool done = true;
        CK_RV rv = claims_read(session, handle, &object);

        if (rv == CKR_OBJECT_HANDLE_INVALID)
                return CKR_OK;
        if (rv != CKR_OK || !object.readable ||
                memcmp(object.claim.claimant, operation->claimant->id, CLAIMANT_LENGTH) != 0)
                return rv;
        if (object.claim.kind == CLAIM_PAIR && object.nickname[0] != '\0' && object.claim.id_length > 0)
                rv = settle_pair(operation, &object, &done);
        if (rv != CKR_OK || !done)
                return rv;
        /* The session may be another since: by what it says, not by its handle. */
        rv = claims_destroy(session, object.nickname, &object.claim);
        if (rv == CKR_OK)
                log_notice("token %s: the claim on %s that an earlier worker left is removed",
                        session->token->config->name, object.nickname);
        return rv;
}

int reclaim(struct operation *operation, struct failure *failure)
{
        const struct report *report = operation->report;
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        CK_RV rv;

        if (!atomic_load(&operation->claimant->holds))
                return 0;
        /* What can write nothing can make nothing either. */
        if (operation->session->read_only)
                return 0;
        operation->report = &no_report;
        rv = claims_find(operation->session, NULL, handles, &n);
        for (size_t i = 0; i < n && rv == CKR_OK && !operation->ending; i++)
                rv = reclaim_one(operation, handles[i]);
        operation->report = report;
        if (operation->ending) {
                *failure = operation->failure;
                return 1;
        }
        return rv == CKR_OK
                       ? 0
                       : failure_ckr(failure, rv, "a claim that an earlier worker left cannot be settled");
}

/* ---- UNCLAIM ---- */

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
