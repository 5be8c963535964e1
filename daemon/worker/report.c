/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What a thread tells the broker of the token's objects and claims. An object is marked as told when it is (refresh.c), so it
 * is told to whichever broker there is, whoever's request showed it or none: on each channel HELLO has come before, and a
 * broker that comes later asks for all. A list of claims is of one REFRESH, and only for the broker that asked: another's
 * would be mixed with the one that it asks for itself.
 */
#include <string.h>

#include "daemon/worker/claims/claims.h"
#include "daemon/worker/threads-types.h"

static void report_entry(void *userdata, const struct message_entry *entry)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->serve->channel);
        (void)message_send_entry(REQUEST_FD, entry, NULL, 0);
        pthread_rwlock_unlock(&thread->serve->channel);
}

static void report_drop(void *userdata, uint64_t number)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->serve->channel);
        (void)message_send_drop(REQUEST_FD, &(struct message_drop){number}, NULL, 0);
        pthread_rwlock_unlock(&thread->serve->channel);
}

static void report_settled(void *userdata, uint64_t generation)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->serve->channel);
        (void)message_send_settled(REQUEST_FD, &(struct message_settled){generation}, NULL, 0);
        pthread_rwlock_unlock(&thread->serve->channel);
}

/* false: the broker that asked is gone. */
static bool begin_claim(struct thread *thread)
{
        uint64_t request = atomic_load(&thread->request);

        pthread_rwlock_rdlock(&thread->serve->channel);
        if (request >> 32 == atomic_load(&thread->serve->epoch))
                return true;
        pthread_rwlock_unlock(&thread->serve->channel);
        return false;
}

static void report_claim(struct thread *thread, const struct claim_object *object)
{
        struct message_claim message = {.nickname = object->nickname};

        if (object->readable) {
                message.claimant = wire_bytes(object->claim.claimant, CLAIMANT_LENGTH);
                message.host = object->claim.host;
                message.since_usec = object->claim.since_usec;
        }
        if (!begin_claim(thread))
                return;
        (void)message_send_claim(REQUEST_FD, &message, NULL, 0);
        pthread_rwlock_unlock(&thread->serve->channel);
}

/* Every claim that is not ours, for the status. */
static CK_RV report_claims(struct operation *operation)
{
        struct thread *thread = operation->report->userdata;
        struct claimant *claimant = operation->claimant;
        struct message_claims message = {.holds_claims = atomic_load(&claimant->holds)};
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        CK_RV rv = message.holds_claims ? claims_find(operation->session, NULL, handles, &n) : CKR_OK;

        if (rv != CKR_OK)
                return rv;
        if (begin_claim(thread)) {
                (void)message_send_claims(REQUEST_FD, &message, NULL, 0);
                pthread_rwlock_unlock(&thread->serve->channel);
        }
        for (size_t i = 0; i < n; i++) {
                struct claim_object object;

                rv = claims_read(operation->session, handles[i], &object);
                if (rv == CKR_OBJECT_HANDLE_INVALID)
                        continue;
                if (rv != CKR_OK)
                        return rv;
                if (!object.readable || memcmp(object.claim.claimant, claimant->id, CLAIMANT_LENGTH) != 0)
                        report_claim(thread, &object);
        }
        return CKR_OK;
}

struct report report_to_broker(struct thread *thread)
{
        return (struct report){report_entry, report_drop, report_settled, thread};
}

CK_RV refresh_attempt(struct operation *operation, const void *request)
{
        const struct message_refresh *message = request;

        CK_RV rv = report_claims(operation);

        if (rv == CKR_OK)
                rv = inventory_refresh(
                        operation->inventory, operation->session, operation->report, message->all);
        return rv;
}
