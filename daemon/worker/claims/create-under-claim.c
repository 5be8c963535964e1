/* SPDX-License-Identifier: MPL-2.0 */
/* See create-under-claim.h. claim-record.c decides which step follows from what was seen. */
#include "daemon/worker/claims/create-under-claim.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/util/log.h"
#include "daemon/worker/claims/claimant.h"
#include "daemon/worker/claims/claims.h"
#include "daemon/worker/device/login.h"

/* The pause between two looks of a request that keeps its claim: as long as another host needs to see the
 * claim and give way. */
#define PAUSE_MIN_USEC 20000U
#define PAUSE_MAX_USEC 100000U

/* What a look may take beyond StartTimeout= and Timeout= of its process, after which the supervisor ends it:
 * another look may have to end first, and the supervisor needs some time itself. */
#define LOOK_EXTRA_USEC (5U * USEC_PER_SEC)

/* The claim of one request, while it lies on the token. */
struct held {
        struct claim_record claim;
        CK_OBJECT_HANDLE handle; /* CK_INVALID_HANDLE: it has to be found again */
};

/* ---- the look ---- */

static int look_failed(struct operation *operation, const struct look_answer *answer)
{
        log_warning("token %s: the look for the nickname failed, and nothing is created: %s",
                operation->session->token->config->name, answer->reason);
        return operation_refused(operation, answer->ckr ? answer->ckr : CKR_FUNCTION_FAILED,
                "the look for the nickname failed: %s", answer->reason);
}

/* claim NULL: none lies on the token. A look that fails, or that does not see our claim, is made once
 * more. */
static int look(struct operation *operation, const struct creation *creation,
        const struct claim_record *claim, unsigned n_looks, enum claim_step *ret)
{
        const struct config_token *config = operation->session->token->config;
        struct message_seek seek = {.nickname = creation->nickname,
                .id = creation->id,
                .scope = creation->scope,
                .known = creation->known};
        struct look_answer answer = {0};

        if (claim) {
                seek.claimant = wire_bytes(claim->claimant, CLAIMANT_LENGTH);
                seek.claim = claim->number;
        }
        for (int i = 0; i < 2; i++) {
                enum claim_step step;

                claimant_ask(operation->claimant, &seek,
                        2 * (config->start_timeout_usec + config->timeout_usec) + LOOK_EXTRA_USEC, &answer);
                if (!answer.ok)
                        continue;
                step = claim_decide(answer.seen, claim != NULL, n_looks);
                if (step != CLAIM_BLIND) {
                        *ret = step;
                        return 0;
                }
                snprintf(answer.reason, sizeof(answer.reason),
                        "it did not see our claim (an operator removed it, or the token hides it)");
        }
        return look_failed(operation, &answer);
}

static int answer_step(struct operation *operation, enum claim_step step)
{
        if (step == CLAIM_TAKEN)
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        /* The claim that is in the way may be one that this process left: the next one removes it, and tries again. */
        if (atomic_load(&operation->claimant->left))
                operation_end(operation, WORKER_END_ERROR, CKR_OBJECT_HANDLE_INVALID,
                        "a claim of ours can be removed by another process only");
        return operation_answer(operation, REPLY_CLAIMED, "another host claims the nickname");
}

static void pause_at_random(void)
{
        uint32_t random = 0;

        /* Without randomness the clock will do: only how soon there is a winner depends on it. */
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
                random = (uint32_t)now_usec();
        usleep(PAUSE_MIN_USEC + random % (PAUSE_MAX_USEC - PAUSE_MIN_USEC));
}

/* ---- the claim ---- */

static int write_claim(struct operation *operation, const struct creation *creation, struct held *held)
{
        const struct claimant *claimant = operation->claimant;
        struct claim_record *claim = &held->claim;

        *held = (struct held){
                .claim = {
                        .kind = creation->kind, .since_usec = wall_usec(), .id_length = creation->id.length}};
        if (creation->id.length > sizeof(claim->id))
                return -EINVAL;
        if (getrandom(&claim->number, sizeof(claim->number), 0) != (ssize_t)sizeof(claim->number))
                return -EIO;
        memcpy(claim->claimant, claimant->id, sizeof(claim->claimant));
        memcpy(claim->host, claimant->host, sizeof(claim->host));
        if (creation->id.length > 0)
                memcpy(claim->id, creation->id.data, creation->id.length);
        return claims_write(operation->session, creation->nickname, claim, &held->handle);
}

/* The claim's handle stands for something else: for this process its claim may be out of reach. */
static void note_alias(struct operation *operation, const struct creation *creation)
{
        if (!atomic_exchange(&operation->claimant->left, true))
                log_notice("token %s: the handle that the token gave for the claim on %s does not stand for "
                           "it; the claim "
                           "may stay until the worker's next start",
                        operation->session->token->config->name, creation->nickname);
}

/* Finds it, and takes it off the token. */
static int find_and_destroy(
        struct operation *operation, const struct creation *creation, const struct held *held)
{
        unsigned tries = 0;
        int r;

        do
                r = claims_destroy(operation->session, creation->nickname, &held->claim);
        while (operation_tries_again(operation, r, ++tries));
        return r;
}

/* Takes it off the token, wherever it may be. */
static int destroy_claim(struct operation *operation, const struct creation *creation, struct held *held)
{
        struct session *session = operation->session;
        struct failure ignored;
        bool was_there = false;
        int r;

        if (held->handle != CK_INVALID_HANDLE) {
                r = claims_destroy_at(session, held->handle, &held->claim, &was_there);
                if (r == 0 && was_there)
                        return 0;
                if (r == 0 || session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        note_alias(operation, creation);
                if (session_class(session, r) == CKR_CLASS_SESSION &&
                        session->failed.ckr != CKR_OBJECT_HANDLE_INVALID &&
                        login_recover(session, &ignored) != 0)
                        return r;
                (void)operation_tries_again(operation, r, 1);
        }
        return find_and_destroy(operation, creation, held);
}

/* The reply stands. While a claim stays nobody can create, we neither: the next start of the worker removes
 * it. */
static void withdraw(struct operation *operation, const struct creation *creation, struct held *held)
{
        if (destroy_claim(operation, creation, held) != 0)
                operation_end(operation, WORKER_END_ERROR, operation->session->failed.ckr,
                        "a claim on a nickname cannot be withdrawn");
}

/* ---- the creation ---- */

/* The outcome is not known: the claim stays, the worker ends, and its next start settles it. */
static int leave(struct operation *operation, int r)
{
        int status = r == CALL_FAILED || r < 0 ? operation_conclude(operation, r) : r;

        if (!operation->ending)
                operation_end(operation, WORKER_END_ERROR, operation->result.ckr,
                        "what a creation left has to be settled by a new worker");
        return status;
}

static bool is_lost(const struct session *session, int r)
{
        enum ckr_class class = session_class(session, r);

        return class == CKR_CLASS_SESSION || class == CKR_CLASS_DEVICE || class == CKR_CLASS_PIN;
}

/* Our claim has been there all the time, so that nobody else creates: what is left of the first try is
 * removed, and there is one more. */
static int create_again(struct operation *operation, const struct creation *creation, struct held *held)
{
        int r;

        /* A vague error may pass: SoftHSM gives one while another process writes. */
        r = operation_tries_again(operation, CALL_FAILED, 1) ? 0 : operation_recover(operation);
        if (held)
                held->handle = CK_INVALID_HANDLE;
        if (r != 0)
                return operation->ending
                               ? r
                               : operation_unknown(operation, r, "it is not known what was created");
        r = creation->remove(operation, creation->request);
        if (r != 0)
                return operation_unknown(operation, r, "a part of what was to be created may be left");
        r = creation->create(operation, creation->request);
        session_reconsider(operation->session, r);
        return is_lost(operation->session, r) ? operation_unknown(operation, r, "the session was lost twice")
                                              : r;
}

/* The creation failed, and the token says that it is well: what may be left of it is removed. Without a claim it may run once more;
 * under the claim it has. */
static int create_nothing(struct operation *operation, const struct creation *creation, bool again)
{
        struct failed_call failed = operation->session->failed;
        int removed = creation->remove(operation, creation->request);

        if (removed != 0)
                return operation_unknown(operation, removed, "a part of what was to be created may be left");
        operation->session->failed = failed;
        return again ? CALL_FAILED : operation_conclude(operation, CALL_FAILED);
}

/* held NULL: there is no claim. */
static int create(struct operation *operation, const struct creation *creation, struct held *held)
{
        struct session *session = operation->session;
        int r = creation->create(operation, creation->request);

        /* If the device is lost there is no new session, and the worker ends. */
        if (session_class(session, r) == CKR_CLASS_SESSION ||
                (held && session_class(session, r) == CKR_CLASS_VAGUE))
                r = create_again(operation, creation, held);
        if (session_class(session, r) == CKR_CLASS_VAGUE)
                r = create_nothing(operation, creation, held == NULL);
        /* If the session is lost the worker ends: its next start finds out what is on the token. */
        if (!held || is_lost(session, r))
                return r;
        if (operation->ending || r == REPLY_OUTCOME_UNKNOWN)
                return leave(operation, r);
        /* Withdrawing makes calls of its own: first it is decided what is answered. */
        if (r == CALL_FAILED || r < 0) {
                struct failed_call failed = session->failed;

                withdraw(operation, creation, held);
                session->failed = failed;
                return operation->ending ? operation_unknown(operation, r, "a claim is left") : r;
        }
        withdraw(operation, creation, held);
        return r;
}

/* ---- the whole ---- */

/* The claim lies on the token: look, until it is clear what to do. */
static int settle(struct operation *operation, const struct creation *creation, struct held *held)
{
        enum claim_step step = CLAIM_STAY;
        int r = 0;

        for (unsigned n_looks = 1; r == 0 && step == CLAIM_STAY; n_looks++) {
                if (n_looks > 1)
                        pause_at_random();
                r = look(operation, creation, &held->claim, n_looks, &step);
        }
        if (r == 0 && step == CLAIM_CREATE)
                return create(operation, creation, held);
        if (r == 0)
                r = answer_step(operation, step);
        withdraw(operation, creation, held);
        return r;
}

/* A look without a claim. 0: nothing bears or claims the nickname. */
static int look_only(struct operation *operation, const struct creation *creation)
{
        enum claim_step step;
        int r = look(operation, creation, NULL, 1, &step);

        if (r != 0)
                return r;
        return step == CLAIM_CREATE ? 0 : answer_step(operation, step);
}

static int without_claims(struct operation *operation, const struct creation *creation)
{
        int r;

        /* The databases of an internal token show every process what is there now. */
        if (operation->session->token->internal)
                return create(operation, creation, NULL);
        r = look_only(operation, creation);
        return r == 0 ? create(operation, creation, NULL) : r;
}

/* claims_write() failed: its claim may be there. If the device is lost the worker ends, and its next start
 * removes the claim. */
static int undo_claim(struct operation *operation, const struct creation *creation, struct held *held, int r)
{
        struct session *session = operation->session;
        enum ckr_class class = session_class(session, r);
        struct failed_call failed = session->failed;
        int undone;

        if (r != CALL_FAILED)
                return r;
        if (class == CKR_CLASS_DEVICE || class == CKR_CLASS_PIN)
                return r;
        if (class == CKR_CLASS_SESSION) {
                undone = operation_recover(operation);
                if (undone != 0)
                        return leave(operation, undone);
        }
        (void)operation_tries_again(operation, r, 1);
        undone = find_and_destroy(operation, creation, held);
        if (undone != 0)
                return operation_unknown(operation, undone, "a claim on the nickname may be left");
        /* Nothing was created: the operation may run once more. */
        session->failed = failed;
        return CALL_FAILED;
}

static int claim_and_settle(struct operation *operation, const struct creation *creation)
{
        struct claimant *claimant = operation->claimant;
        struct held held;
        int r = 0;

        if (creation->waits)
                r = look_only(operation, creation);
        if (r != 0)
                return r;
        for (unsigned tries = 1;; tries++) {
                r = write_claim(operation, creation, &held);
                /* One refusal may come of something else: SoftHSM gives one while another process writes. */
                if (!claims_not_held(operation->session, r) || tries == OPERATION_TRIES - 1)
                        break;
                usleep(OPERATION_BUSY_WAIT_USEC);
        }
        if (r == 0) {
                atomic_store(&claimant->holds, true);
                atomic_store(&claimant->held, true);
                return settle(operation, creation, &held);
        }
        /* Once a claim lay on the token, a refusal is this request's. It is no word on the next one in any case. */
        if (!claims_not_held(operation->session, r) || atomic_load(&claimant->held))
                return undo_claim(operation, creation, &held, r);
        if (atomic_exchange(&claimant->holds, false))
                log_warning("token %s accepts no data objects: nicknames are checked, but not protected from "
                            "other hosts",
                        operation->session->token->config->name);
        return without_claims(operation, creation);
}

static int create_alone(struct operation *operation, const struct creation *creation)
{
        int r = inventory_refresh(operation->inventory, operation->session, operation->report, false);
        bool taken;

        if (r != 0)
                return r;
        taken = inventory_has_nickname(
                operation->inventory, creation->nickname, creation->scope, creation->id, creation->known);
        if (taken)
                return operation_answer(operation, REPLY_NICKNAME_EXISTS, "the nickname is in use");
        return operation->claimant->writes ? claim_and_settle(operation, creation)
                                           : without_claims(operation, creation);
}

int create_under_claim(struct operation *operation, const struct creation *creation)
{
        struct slot_token *token = operation->session->token;
        int r;

        pthread_mutex_lock(&token->create_lock);
        r = create_alone(operation, creation);
        pthread_mutex_unlock(&token->create_lock);
        return r;
}
