/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Claims that were left. Before a worker serves: those of an earlier worker of the same claimant. Its process
 * is dead, so nothing that it began goes on. A pair of which only half is there is removed, a complete one
 * stays, and then the claim is removed.
 *
 * UNCLAIM: a claim of another host, because an operator says so: the daemon of that host is stopped, or its
 * worker was started again since. Called by a session thread through operation_run().
 */
#include "daemon/worker/ops/reclaim.h"

#include <string.h>

#include "daemon/util/log.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/claims/claims.h"
#include "daemon/worker/ops/pair.h"

#define WHAT "cannot settle the claims that an earlier worker left"

static bool is_ours(const struct operation *operation, const struct claim_object *object)
{
        return object->readable &&
               memcmp(object->claim.claimant, operation->claimant->id, CLAIMANT_LENGTH) == 0;
}

/* The pair of one claim, and then the claim. request: struct claim_object. */
static int reclaim_attempt(struct operation *operation, const void *request)
{
        const struct claim_object *object = request;
        struct session *session = operation->session;
        struct settled settled = {0};
        struct wire_bytes id = wire_bytes(object->claim.id, object->claim.id_length);
        bool shared = object->claim.kind == CLAIM_PAIR_OF_ID,
             named = object->nickname[0] != '\0' && id.length > 0;
        int r = 0;

        if (object->claim.kind == CLAIM_NAME && named)
                r = pair_settle_label(operation, object->nickname, id);
        if (r != 0)
                return r;
        if ((object->claim.kind == CLAIM_PAIR || shared) && named) {
                r = pair_settle(operation, object->nickname, id, shared, &settled);
                if (r != 0)
                        return r;
                log_notice("token %s: a generate of %s did not end: %s", session->token->config->name,
                        object->nickname,
                        settled.number || settled.unknown ? "the pair is complete" : "nothing of it is left");
        }
        /* Found by its contents: after a recovery its handle may be another. */
        r = claims_destroy(session, object->nickname, &object->claim);
        if (r == 0)
                log_notice("token %s: the claim on %s that an earlier worker left is removed",
                        session->token->config->name, object->nickname);
        return r;
}

/* A claim that cannot be settled stays, and with it nobody makes anything of its nickname; the token's keys sign
 * all the same. Errors as in failure.h. */
static int reclaim_one(struct operation *operation, CK_OBJECT_HANDLE handle, struct failure *failure)
{
        const char *token = operation->session->token->config->name;
        struct session *session = operation->session;
        struct claim_object object;
        char name[CKR_TEXT];
        int r = claims_read(session, handle, &object);

        if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                return 0;
        if (r != 0)
                return session_failure(session, r, WHAT, failure);
        if (object.unreadable)
                log_warning("token %s: a claim on %s cannot be read (%s): if an earlier worker left it, its "
                            "nickname "
                            "cannot be given before a worker has started that can read it",
                        token, object.nickname[0] ? object.nickname : "a nickname",
                        ckr_text(object.unreadable, name));
        if (!is_ours(operation, &object))
                return 0;
        operation_run(operation, reclaim_attempt, &object);
        if (operation->ending) {
                *failure = operation->failure;
                return (int)failure->end;
        }
        if (operation->result.status != REPLY_OK)
                log_warning("token %s: the claim on %s that an earlier worker left cannot be settled, and "
                            "its nickname "
                            "cannot be given before that: %s",
                        token, object.nickname, operation->result.text);
        return 0;
}

static int reclaim_all(struct operation *operation, struct failure *failure)
{
        const char *token = operation->session->token->config->name;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        char name[CKR_TEXT];
        int r = claims_find(session, NULL, handles, &n);

        if (r == CALL_FAILED && session_is_well(session)) {
                log_warning("token %s: the claims on it cannot be listed: %s (%s)", token,
                        ckr_text(session->failed.ckr, name), session->failed.call);
                return 0;
        }
        if (r != 0)
                return session_failure(session, r, WHAT, failure);
        if (n == CLAIMS_MAX)
                log_warning("token %s: it has %u claims on nicknames or more, and only so many are read; "
                            "remove those "
                            "whose hosts are gone (tokendctl remove-claim)",
                        token, CLAIMS_MAX);
        for (size_t i = 0; i < n && r == 0; i++)
                r = reclaim_one(operation, handles[i], failure);
        return r;
}

int reclaim(struct operation *operation, struct failure *failure)
{
        const struct report *report = operation->report;
        int r;

        /* A worker that could write nothing can have left nothing. */
        if (!operation->claimant->writes || operation->session->read_only)
                return 0;
        /* Nothing is reported: the broker asks for everything when it is there. */
        operation->report = NULL;
        r = reclaim_all(operation, failure);
        operation->report = report;
        return r;
}

/* ---- UNCLAIM ---- */

/* No claimant: the claims that cannot be read. */
static bool fits(const struct claim_object *object, struct wire_bytes claimant)
{
        if (claimant.length == 0 || !object->readable)
                return claimant.length == 0 && !object->readable;
        return memcmp(object->claim.claimant, claimant.data, CLAIMANT_LENGTH) == 0;
}

static int check_unclaim(struct operation *operation, const struct message_unclaim *message)
{
        struct wire_bytes claimant = message->claimant;

        if (message->nickname[0] == '\0')
                return operation_invalid(operation, "nickname", "the nickname is empty");
        if (claimant.length != 0 && claimant.length != CLAIMANT_LENGTH)
                return operation_invalid(operation, "claimant", "a claimant has %u bytes", CLAIMANT_LENGTH);
        if (claimant.length != 0 && memcmp(claimant.data, operation->claimant->id, CLAIMANT_LENGTH) == 0)
                return operation_invalid(operation, "claimant", "this is the daemon's own claimant");
        return 0;
}

int unclaim_attempt(struct operation *operation, const void *request)
{
        const struct message_unclaim *message = request;
        struct session *session = operation->session;
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0, removed = 0;
        int r = check_unclaim(operation, message);

        if (r == 0)
                r = claims_find(session, message->nickname, handles, &n);
        for (size_t i = 0; i < n && r == 0; i++) {
                struct claim_object object;

                r = claims_read(session, handles[i], &object);
                if (r == 0 && fits(&object, message->claimant)) {
                        r = P11(session, C_DestroyObject, session->handle, handles[i]);
                        removed += r == 0;
                }
                if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        r = 0;
        }
        if (r != 0)
                return r;
        if (removed == 0)
                return operation_answer(operation, REPLY_KEY_GONE, "there is no such claim");
        log_notice("token %s: an operator removed the claim on %s", session->token->config->name,
                message->nickname);
        return 0;
}
