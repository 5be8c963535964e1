/* SPDX-License-Identifier: MPL-2.0 */
/* See nickname-check.h. */
#include "daemon/worker/nickname-check.h"

#include <string.h>

#include "daemon/worker/claims/claims.h"
#include "daemon/worker/core/operation.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/device/module.h"
#include "daemon/worker/ops/pair.h"

/* While another process writes, SoftHSM can leave a token out of its list of slots, and fail in C_Login: another try, from
 * C_Initialize, costs nothing. */
#define TRIES      5U
#define RETRY_USEC 20000U

/* Keys of one nickname that are looked at one by one. */
#define KEYS_MAX 16U

static int open_session(struct session *session, struct slot_token *token, struct failure *failure)
{
        CK_RV rv;

        *session = (struct session){0};
        rv = session_open(session, token);
        if (rv != CKR_OK)
                return failure_ckr(failure, rv, "C_OpenSession");
        return login(session, failure);
}

/* One claim. One that cannot be read, or that was withdrawn while it was, is another's that comes first. */
static CK_RV see_claim(
        struct session *session, const struct message_seek *seek, CK_OBJECT_HANDLE handle, unsigned *seen)
{
        struct claim_object object = {0};
        CK_RV rv = claims_read(session, handle, &object);

        if (rv != CKR_OK && rv != CKR_OBJECT_HANDLE_INVALID)
                return rv;
        if (rv == CKR_OK && object.readable && claim_record_is(&object.claim, seek->claimant, seek->claim))
                *seen |= SEEN_OWN_CLAIM;
        else if (rv == CKR_OK && object.readable &&
                 !claim_record_is_lower(&object.claim, seek->claimant, seek->claim))
                *seen |= SEEN_CLAIM;
        else
                *seen |= SEEN_CLAIM | SEEN_LOWER_CLAIM;
        return CKR_OK;
}

static CK_RV see_claims(struct session *session, const struct message_seek *seek, unsigned *ret)
{
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        unsigned seen = 0;
        size_t n = 0;
        CK_RV rv = claims_find(session, seek->nickname, handles, &n);

        for (size_t i = 0; i < n && rv == CKR_OK; i++)
                rv = see_claim(session, seek, handles[i], &seen);
        if (rv == CKR_OK)
                *ret = seen;
        return rv;
}

/* Whether the key has the id that the question lets pass. */
static CK_RV is_paired(
        struct session *session, const struct message_seek *seek, CK_OBJECT_HANDLE handle, bool *ret)
{
        uint8_t id[LIMIT_KEY_ID];
        CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof(id)};
        CK_RV rv = P11(session, C_GetAttributeValue, session->handle, handle, &attribute, 1);

        *ret = rv == CKR_OK && attribute.ulValueLen == seek->id.length && seek->id.length > 0 &&
               memcmp(id, seek->id.data, seek->id.length) == 0;
        return rv == CKR_BUFFER_TOO_SMALL || rv == CKR_OBJECT_HANDLE_INVALID ? CKR_OK : rv;
}

static CK_RV see_objects(struct session *session, const struct message_seek *seek, unsigned *seen)
{
        static const CK_OBJECT_CLASS classes[] = {
                CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY, CKO_CERTIFICATE};
        CK_OBJECT_HANDLE handles[KEYS_MAX];
        CK_RV rv = CKR_OK;

        for (size_t c = 0; c < ARRAY_SIZE(classes) && rv == CKR_OK; c++) {
                size_t n = 0;

                rv = pair_search(
                        session, classes[c], wire_bytes(NULL, 0), seek->nickname, handles, KEYS_MAX, &n);
                for (size_t i = 0; i < n && rv == CKR_OK; i++) {
                        bool paired = false;
                        if (seek->paired && n < KEYS_MAX && classes[c] != CKO_CERTIFICATE)
                                rv = is_paired(session, seek, handles[i], &paired);
                        if (!paired)
                                *seen |= SEEN_OBJECT;
                }
        }
        return rv;
}

static int look_once(struct slot_token *token, const struct message_seek *seek, bool objects, unsigned *ret,
        struct failure *failure)
{
        struct session session;
        unsigned found = 0, claims = 0;
        CK_RV rv = CKR_OK;

        if (open_session(&session, token, failure) != 0)
                return 1;
        if (objects)
                rv = see_objects(&session, seek, &found);
        /* After the objects: our own claim is shown to one who is logged in, and whoever sees it saw the private keys. */
        if (rv == CKR_OK)
                rv = see_claims(&session, seek, &claims);
        if (rv == CKR_OK)
                rv = session_check(&session);
        if (rv != CKR_OK)
                return failure_ckr(
                        failure, rv, session.failed_name ? session.failed_name : "C_GetSessionInfo");
        session_close(&session);
        *ret = found | claims;
        return 0;
}

/* Each time from C_Initialize. A PIN is not tried again. */
static int look(struct slot_token *token, const struct message_seek *seek, bool objects, unsigned *ret,
        struct failure *failure)
{
        for (unsigned i = 1;; i++) {
                int r = token->p11 ? module_again(token, failure) : module_load(token, failure);

                if (r == 0)
                        r = look_once(token, seek, objects, ret, failure);
                if (r == 0 || i == TRIES || failure->end == WORKER_END_PIN || !token->p11)
                        return r;
                usleep(RETRY_USEC);
        }
}

int nickname_check_run(
        struct slot_token *token, const struct message_seek *seek, unsigned *ret, struct failure *failure)
{
        unsigned first = 0, second = 0;

        if (look(token, seek, false, &first, failure) != 0 || look(token, seek, true, &second, failure) != 0)
                return 1;
        *ret = (first & ~(unsigned)SEEN_OWN_CLAIM) | (second & SEEN_OBJECT) |
               (first & second & SEEN_OWN_CLAIM);
        return 0;
}
