/* SPDX-License-Identifier: MPL-2.0 */
/* See private-key.h. */
#include "daemon/worker/ops/private-key.h"

#include <string.h>

#include "daemon/util/algorithm.h"
#include "daemon/util/ckm.h"
#include "daemon/worker/core/session-copy.h"

static bool can(struct operation *operation, const struct inventory_key *key, CK_MECHANISM_TYPE mechanism)
{
        return slot_token_has_mechanism(operation->session->token, mechanism) &&
               (!key->restricted || inventory_allows(operation->inventory, key->number, mechanism));
}

static int refuse_mechanism(struct operation *operation, const struct private_use *use)
{
        bool has = slot_token_has_mechanism(operation->session->token, use->mechanism);
        char name[CKM_TEXT];

        return operation_answer(operation, REPLY_NOT_SUPPORTED, "%s %s%s",
                has ? "the key may not be used (CKA_ALLOWED_MECHANISMS) with"
                    : "the token lacks the mechanism",
                ckm_text(use->mechanism, name),
                use->usage == USAGE_SIGN && !use->instead ? "; it may sign messages, which the device hashes"
                                                          : "");
}

/* *ret: the mechanism to use. */
static int check_key(struct operation *operation, const struct inventory_key *key,
        const struct private_use *use, CK_MECHANISM_TYPE *ret)
{
        if (!(key->usage & use->usage))
                return operation_answer(
                        operation, REPLY_NOT_SUPPORTED, "the key may not %s", usage_name(use->usage));
        /* Each use would cost an attempt of the PIN: a wrong PIN would lock the token at once. */
        if (key->always_authenticate)
                return operation_answer(operation, REPLY_NOT_SUPPORTED,
                        "the key wants the PIN for each use (CKA_ALWAYS_AUTHENTICATE)");
        if (can(operation, key, use->mechanism))
                *ret = use->mechanism;
        else if (use->instead && can(operation, key, use->instead))
                *ret = use->instead;
        else
                return refuse_mechanism(operation, use);
        return 0;
}

/* A use, and how long the device took for it. */
static int run_timed(struct operation *operation, const struct inventory_key *key, CK_OBJECT_HANDLE object,
        const struct private_use *use, CK_MECHANISM_TYPE mechanism, uint64_t *ret_usec)
{
        struct session *session = operation->session;
        struct result *result = &operation->result;
        uint64_t before = session->device_usec;
        int r;

        explicit_bzero(result->payload, result->payload_length);
        result->payload_length = 0;
        r = use->run(operation, key, object, mechanism, use->request);
        *ret_usec = session->device_usec - before;
        return r;
}

/* Runs the use with the key's session copy, where it has one. What that fails at is tried with the key itself: the fault may be the
 * copy's. */
static int run_with(struct operation *operation, const struct inventory_key *key, CK_OBJECT_HANDLE object,
        const struct private_use *use, CK_MECHANISM_TYPE mechanism, uint64_t *ret_usec)
{
        struct session *session = operation->session;
        int r = run_timed(operation, key, object, use, mechanism, ret_usec);
        struct failed_call failed;
        uint64_t ignored;

        if (r != CALL_FAILED || object == key->handle)
                return r;
        failed = session->failed;
        /* Of the other classes the operation runs again, with the key itself. */
        if (failed.class == CKR_CLASS_REQUEST) {
                r = run_timed(operation, key, key->handle, use, mechanism, &ignored);
                if (session_said(session, r, failed.ckr))
                        return r;
        }
        session_copy_refuse(session, key);
        if (session_said(session, r, CKR_OPERATION_ACTIVE))
                session->failed = failed;
        return r;
}

/* The first use of the key: is a copy faster? What is asked for is done a few times with each, and the last result is the answer. */
static int try_out(struct operation *operation, const struct inventory_key *key,
        const struct private_use *use, CK_MECHANISM_TYPE mechanism)
{
        struct slot_token *token = operation->session->token;
        enum copy_verdict verdict = COPY_OPEN;
        struct copy_trial trial = {0};
        int r;

        do {
                uint64_t key_usec, copy_usec;
                CK_OBJECT_HANDLE copy = key->handle;

                r = run_timed(operation, key, key->handle, use, mechanism, &key_usec);
                if (r == 0)
                        copy = session_copy_object(operation, key, true);
                verdict = COPY_OPEN;
                if (copy == key->handle)
                        break;
                r = run_with(operation, key, copy, use, mechanism, &copy_usec);
                if (r == 0)
                        verdict = copy_trial_round(&trial, key_usec, copy_usec);
        } while (verdict == COPY_UNDER_WAY);
        if (verdict == COPY_NOT_FASTER)
                session_copy_refuse(operation->session, key);
        if (verdict != COPY_OPEN)
                atomic_fetch_add(verdict == COPY_FASTER ? &token->n_faster : &token->n_not_faster, 1);
        inventory_end_trial(operation->inventory, key, verdict);
        return r;
}

static int run(struct operation *operation, const struct inventory_key *key, const struct private_use *use,
        CK_MECHANISM_TYPE mechanism)
{
        const struct slot_token *token = operation->session->token;
        uint64_t ignored;

        if (key->trial == COPY_OPEN && token->config->session_copies == SESSION_COPIES_AUTO &&
                !atomic_load(&token->no_copies) && inventory_begin_trial(operation->inventory, key))
                return try_out(operation, key, use, mechanism);
        return run_with(operation, key, session_copy_object(operation, key, false), use, mechanism, &ignored);
}

int private_key_use(struct operation *operation, const struct private_use *use)
{
        struct result *result = &operation->result;
        struct inventory_key key;
        CK_MECHANISM_TYPE mechanism = use->mechanism;
        int r;

        for (;;) {
                if (!inventory_key(operation->inventory, use->number, &key))
                        return operation_answer(operation, REPLY_KEY_GONE, "there is no such key");
                r = check_key(operation, &key, use, &mechanism);
                if (r == 0)
                        r = run(operation, &key, use, mechanism);
                if (r != 0 || inventory_has_still(operation->inventory, &key))
                        return r;
                explicit_bzero(result->payload, result->payload_length);
                result->payload_length = 0;
        }
}
