/* SPDX-License-Identifier: MPL-2.0 */
/* See create-under-claim.h. Which step follows from what was seen is claim-record.c's to say. */
#include "daemon/worker/claims/create-under-claim.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/claims/claims.h"

/* Between two looks of one who keeps its claim: as long as another needs to see it and give way. */
#define PAUSE_MIN_USEC 20000U
#define PAUSE_MAX_USEC 100000U

/* What a look may take beyond StartTimeout= and Timeout= of its process, after which the supervisor ends it: another look
 * that has to end first, and the supervisor's own pace. */
#define LOOK_EXTRA_USEC (5U * USEC_PER_SEC)

/* One request's claim, while it lies on the token. */
struct held {
        struct claim_record claim;
        CK_OBJECT_HANDLE handle; /* CK_INVALID_HANDLE: it has to be found again */
};

/* ---- the look ---- */

static CK_RV look_failed(struct operation *operation, const struct sought *sought)
{
        operation->result.ckr = sought->ckr ? sought->ckr : CKR_FUNCTION_FAILED;
        log_warning("token %s: a fresh process could not look at it, and nothing is made: %s",
                operation->session->token->config->name, sought->reason);
        return operation_answer(
                operation, REPLY_CKR, "a fresh process could not look at the token: %s", sought->reason);
}

/* claim NULL: none lies there. A look that fails, or that does not see our claim, is made once more. false: that failed
 * too, and the result says how. */
static bool look(struct operation *operation, const struct creation *creation,
        const struct claim_record *claim, unsigned n_looks, enum claim_step *ret)
{
        const struct config_token *config = operation->session->token->config;
        struct message_seek seek = {
                .nickname = creation->nickname, .id = creation->id, .paired = creation->paired};
        struct sought sought = {0};

        if (claim) {
                seek.claimant = wire_bytes(claim->claimant, CLAIMANT_LENGTH);
                seek.claim = claim->number;
        }
        for (int i = 0; i < 2; i++) {
                claimant_ask(operation->claimant, &seek,
                        2 * (config->start_timeout_usec + config->timeout_usec) + LOOK_EXTRA_USEC, &sought);
                if (!sought.ok)
                        continue;
                *ret = claim_decide(sought.seen, claim != NULL, n_looks);
                if (*ret != CLAIM_BLIND)
                        return true;
                snprintf(sought.reason, sizeof(sought.reason),
                        "it does not see our claim (an operator removed it, or the token hides it)");
        }
        (void)look_failed(operation, &sought);
        return false;
}

static CK_RV answer_step(struct operation *operation, enum claim_step step)
{
        if (step == CLAIM_TAKEN)
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        return operation_answer(operation, REPLY_CLAIMED, "another host claims the nickname");
}

static void pause_at_random(void)
{
        uint32_t random = 0;

        /* Without randomness the clock will do: nothing depends on it but how soon there is a winner. */
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
                random = (uint32_t)now_usec();
        usleep(PAUSE_MIN_USEC + random % (PAUSE_MAX_USEC - PAUSE_MIN_USEC));
}

/* ---- the claim ---- */

static CK_RV write_claim(struct operation *operation, const struct creation *creation, struct held *held)
{
        const struct claimant *claimant = operation->claimant;
        struct claim_record *claim = &held->claim;

        *held = (struct held){
                .claim = {
                        .kind = creation->kind, .since_usec = wall_usec(), .id_length = creation->id.length}};
        if (creation->id.length > sizeof(claim->id) ||
                getrandom(&claim->number, sizeof(claim->number), 0) != (ssize_t)sizeof(claim->number))
                return CKR_FUNCTION_FAILED;
        memcpy(claim->claimant, claimant->id, sizeof(claim->claimant));
        memcpy(claim->host, claimant->host, sizeof(claim->host));
        if (creation->id.length > 0)
                memcpy(claim->id, creation->id.data, creation->id.length);
        return claims_write(operation->session, creation->nickname, claim, &held->handle);
}

/* Takes it off the token, wherever it may be. What the token said where that fails. */
static CK_RV destroy_claim(struct operation *operation, const struct creation *creation, struct held *held)
{
        struct session *session = operation->session;
        CK_RV rv = CKR_OBJECT_HANDLE_INVALID;

        if (held->handle != CK_INVALID_HANDLE)
                rv = P11(session, C_DestroyObject, session->handle, held->handle);
        if (rv == CKR_OK)
                return rv;
        if (ckr_class(rv) == CKR_CLASS_SESSION && rv != CKR_OBJECT_HANDLE_INVALID) {
                struct failure ignored;
                rv = session_recover(session, &ignored);
                if (rv != CKR_OK)
                        return rv;
        } else if (ckr_class(rv) == CKR_CLASS_BUSY)
                usleep(OPERATION_BUSY_WAIT_USEC);
        return claims_destroy(session, creation->nickname, &held->claim);
}

/* The reply stands. A claim that stays lets nobody create, ourselves too: the next start of the worker removes it. */
static void withdraw(struct operation *operation, const struct creation *creation, struct held *held)
{
        CK_RV rv = destroy_claim(operation, creation, held);

        if (rv != CKR_OK)
                operation_end(operation, WORKER_END_ERROR, rv, "a claim on a nickname cannot be withdrawn");
}

/* ---- the creation ---- */

/* The outcome is not known: the claim stays, and the next start of the worker settles it. */
static CK_RV leave(struct operation *operation, CK_RV rv)
{
        if (!operation->ending)
                operation_end(operation, WORKER_END_ERROR, rv,
                        "what a creation left has to be settled by a new worker");
        return CKR_OK;
}

static bool is_lost(CK_RV rv)
{
        enum ckr_class class = ckr_class(rv);

        return class == CKR_CLASS_SESSION || class == CKR_CLASS_DEVICE || class == CKR_CLASS_PIN;
}

/* The claim is there all the time, so nobody else creates meanwhile: what is left of the first try is removed, and there is
 * one more. CKR_OK with ending: it could not be told. */
static CK_RV create_again(struct operation *operation, const struct creation *creation, struct held *held)
{
        CK_RV rv = operation_recover(operation);

        if (held)
                held->handle = CK_INVALID_HANDLE;
        if (rv != CKR_OK)
                return operation->ending
                               ? CKR_OK
                               : operation_unknown(operation, rv, "it cannot be told what was made");
        rv = creation->remove(operation, creation->request);
        if (rv == CKR_OK)
                rv = creation->create(operation, creation->request);
        else
                return operation_unknown(operation, rv, "a part of what was to be made may be left");
        return is_lost(rv) ? operation_unknown(operation, rv, "the session was lost twice") : rv;
}

static CK_RV create(struct operation *operation, const struct creation *creation, struct held *held)
{
        CK_RV rv = creation->create(operation, creation->request);

        /* Where the device is lost there is no new session, and the worker ends. */
        if (ckr_class(rv) == CKR_CLASS_SESSION || (held && ckr_is_vague(rv)))
                rv = create_again(operation, creation, held);
        if (!held)
                return rv;
        /* The worker ends with it: what is on the token then, its next start finds out. */
        if (is_lost(rv))
                return rv;
        if (rv == CKR_OK && (operation->ending || operation->result.status == REPLY_OUTCOME_UNKNOWN))
                return leave(operation, operation->result.ckr);
        withdraw(operation, creation, held);
        return rv == CKR_OK || !operation->ending ? rv : operation_unknown(operation, rv, "a claim is left");
}

/* ---- the whole ---- */

/* The claim lies on the token: look, until it is clear what to do. */
static CK_RV settle(struct operation *operation, const struct creation *creation, struct held *held)
{
        enum claim_step step = CLAIM_STAY;

        for (unsigned n_looks = 1; step == CLAIM_STAY; n_looks++) {
                if (n_looks > 1)
                        pause_at_random();
                if (!look(operation, creation, &held->claim, n_looks, &step)) {
                        withdraw(operation, creation, held);
                        return CKR_OK;
                }
        }
        if (step == CLAIM_CREATE)
                return create(operation, creation, held);
        (void)answer_step(operation, step);
        withdraw(operation, creation, held);
        return CKR_OK;
}

/* Looks without a claim; then creates, where create is set. */
static CK_RV only_look(
        struct operation *operation, const struct creation *creation, bool creates, bool *ret_clear)
{
        enum claim_step step;

        *ret_clear = false;
        if (!look(operation, creation, NULL, 1, &step))
                return CKR_OK;
        if (step != CLAIM_CREATE)
                return answer_step(operation, step);
        *ret_clear = true;
        return creates ? create(operation, creation, NULL) : CKR_OK;
}

/* NSS's databases say CKR_GENERAL_ERROR of what they refuse, such as a certificate that they have under another name: nothing is
 * lost as long as the session answers. */
static CK_RV refused(struct operation *operation, CK_RV rv)
{
        if (!ckr_is_vague(rv) || session_check(operation->session) != CKR_OK)
                return rv;
        operation->result.ckr = rv;
        return operation_answer(operation, REPLY_CKR, "the databases refuse it");
}

static CK_RV without_claims(struct operation *operation, const struct creation *creation)
{
        bool clear;

        /* An internal token's databases show everybody what is there now. */
        if (operation->session->token->internal)
                return refused(operation, create(operation, creation, NULL));
        return only_look(operation, creation, true, &clear);
}

static CK_RV claim_and_settle(struct operation *operation, const struct creation *creation)
{
        struct held held;
        bool clear = true;
        CK_RV rv = CKR_OK;

        if (creation->waits)
                rv = only_look(operation, creation, false, &clear);
        if (rv != CKR_OK || !clear)
                return rv;
        rv = write_claim(operation, creation, &held);
        if (rv == CKR_OK)
                return settle(operation, creation, &held);
        if (claims_not_held(rv)) {
                atomic_store(&operation->claimant->holds, false);
                log_warning("token %s holds no data objects: a nickname is checked, but not kept from other "
                            "hosts",
                        operation->session->token->config->name);
                return without_claims(operation, creation);
        }
        /* It may be there. Where the device is lost the worker ends, and its next start removes it. */
        held.handle = CK_INVALID_HANDLE;
        if (ckr_is_vague(rv) || !(ckr_class(rv) == CKR_CLASS_DEVICE || ckr_class(rv) == CKR_CLASS_PIN)) {
                CK_RV undone;
                if ((ckr_class(rv) == CKR_CLASS_SESSION || ckr_is_vague(rv)) &&
                        operation_recover(operation) != CKR_OK)
                        return leave(operation, rv);
                undone = claims_destroy(operation->session, creation->nickname, &held.claim);
                if (undone != CKR_OK)
                        return operation_unknown(operation, undone, "a claim on the nickname may be left");
        }
        /* Nothing was made: once more from the beginning, as where the device was busy. */
        return ckr_is_vague(rv) ? CKR_FUNCTION_FAILED : rv;
}

CK_RV create_under_claim(struct operation *operation, const struct creation *creation)
{
        CK_RV rv = inventory_refresh(operation->inventory, operation->session, operation->report, false);

        if (rv != CKR_OK)
                return rv;
        if (creation->paired ? inventory_has_other_of_nickname(
                                       operation->inventory, creation->nickname, creation->id)
                             : inventory_has_nickname(operation->inventory, creation->nickname))
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        return atomic_load(&operation->claimant->holds) ? claim_and_settle(operation, creation)
                                                        : without_claims(operation, creation);
}
