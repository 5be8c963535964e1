/* SPDX-License-Identifier: MPL-2.0 */
/* See report.h. */
#include "daemon/worker/report.h"

#include <string.h>

#include "daemon/util/log.h"
#include "daemon/worker/claims/claims.h"

/* ---- HELLO, SESSIONS, REPLY ---- */

/* The mechanisms that can do what the flags say, as far as there is room. */
static struct wire_bytes put_mechanisms(
        const struct slot_token *token, CK_FLAGS flags, uint8_t *buffer, size_t size)
{
        struct wire wire = {.data = buffer, .size = size};

        for (size_t i = 0; i < token->n_mechanisms && wire.at + 8 <= size; i++)
                if (slot_token_can(token, token->mechanisms[i], flags))
                        wire_put_u64(&wire, token->mechanisms[i]);
        return wire_bytes(buffer, wire.at);
}

void report_hello(const struct slot_token *token, unsigned n_threads, unsigned busy)
{
        const struct uri_token *identity = &token->identity;
        struct message_hello hello = {.version = MESSAGE_VERSION,
                .label = identity->parts[URI_TOKEN],
                .serial = identity->parts[URI_SERIAL],
                .manufacturer = identity->parts[URI_MANUFACTURER],
                .model = identity->parts[URI_MODEL],
                .slot_description = identity->parts[URI_SLOT_DESCRIPTION],
                .slot_manufacturer = identity->parts[URI_SLOT_MANUFACTURER],
                .library_description = identity->parts[URI_LIBRARY_DESCRIPTION],
                .library_manufacturer = identity->parts[URI_LIBRARY_MANUFACTURER],
                .library_version = identity->parts[URI_LIBRARY_VERSION],
                .slot_id = identity->slot_id,
                .session_limit = token->budget,
                .threads = n_threads,
                .busy = busy};
        uint8_t mechanisms[LIMIT_CHANNEL_MESSAGE / 2], wraps[LIMIT_CHANNEL_MESSAGE / 8],
                unwraps[LIMIT_CHANNEL_MESSAGE / 8];
        int r;

        hello.mechanisms = put_mechanisms(token, 0, mechanisms, sizeof(mechanisms));
        hello.wraps = put_mechanisms(token, CKF_WRAP, wraps, sizeof(wraps));
        hello.unwraps = put_mechanisms(token, CKF_UNWRAP, unwraps, sizeof(unwraps));
        r = message_send_hello(REQUEST_FD, &hello, NULL, 0);
        /* If the broker is gone, the next one gets a HELLO of its own. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                log_error("cannot send HELLO: %s", strerror(-r));
}

void report_sessions(struct threads *threads, bool always)
{
        struct slot_token *token = threads->token;
        struct message_sessions sessions = {.open = atomic_load(&token->n_open),
                .logins = atomic_load(&token->n_logins),
                .copies = atomic_load(&token->n_copies),
                .faster = atomic_load(&token->n_faster),
                .not_faster = atomic_load(&token->n_not_faster),
                .copying = atomic_load(&token->n_copying)};
        uint64_t login = (uint64_t)sessions.open << 32 | sessions.logins;
        /* Each of these moves by one: that two of them together look the same again needs more than 65000 keys. */
        uint64_t copy = (uint64_t)sessions.copies << 48 | (uint64_t)(sessions.copying & 0xffff) << 32 |
                        (uint64_t)(sessions.faster & 0xffff) << 16 | (sessions.not_faster & 0xffff);
        bool same = atomic_exchange(&threads->told_sessions, login) == login;

        same = atomic_exchange(&threads->told_copies, copy) == copy && same;
        if (!same || always)
                (void)message_send_sessions(REQUEST_FD, &sessions, NULL, 0);
}

void report_put_reply(const struct thread *thread, uint64_t request, struct wire *wire)
{
        const struct result *result = &thread->operation.result;
        struct message_reply reply = {.request = request,
                .status = (uint8_t)result->status,
                .ckr = result->ckr,
                .device_usec = thread->session.device_usec,
                .payload = wire_bytes(result->payload, result->payload_length),
                .parameter = result->parameter,
                .text = result->text};

        message_put_reply(wire, &reply);
}

/* ---- the inventory ---- */

static void report_entry(void *userdata, const struct message_entry *entry)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->threads->channel);
        (void)message_send_entry(REQUEST_FD, entry, NULL, 0);
        pthread_rwlock_unlock(&thread->threads->channel);
}

static void report_drop(void *userdata, uint64_t number)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->threads->channel);
        (void)message_send_drop(REQUEST_FD, &(struct message_drop){number}, NULL, 0);
        pthread_rwlock_unlock(&thread->threads->channel);
}

static void report_settled(void *userdata, uint64_t generation)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->threads->channel);
        (void)message_send_settled(REQUEST_FD, &(struct message_settled){generation}, NULL, 0);
        pthread_rwlock_unlock(&thread->threads->channel);
}

static void report_session_counts(void *userdata)
{
        struct thread *thread = userdata;

        pthread_rwlock_rdlock(&thread->threads->channel);
        report_sessions(thread->threads, false);
        pthread_rwlock_unlock(&thread->threads->channel);
}

/* ---- claims ---- */

/* Takes the channel. false: the broker that asked is gone. */
static bool begin_claim(struct thread *thread)
{
        uint64_t request = atomic_load(&thread->request);

        pthread_rwlock_rdlock(&thread->threads->channel);
        if (request >> 32 == atomic_load(&thread->threads->epoch))
                return true;
        pthread_rwlock_unlock(&thread->threads->channel);
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
        pthread_rwlock_unlock(&thread->threads->channel);
}

/* Reports every claim that is not ours, for the status. */
static int report_claims(struct operation *operation)
{
        struct thread *thread = operation->report->userdata;
        struct claimant *claimant = operation->claimant;
        struct session *session = operation->session;
        struct message_claims message = {.holds_claims = atomic_load(&claimant->holds)};
        CK_OBJECT_HANDLE handles[CLAIMS_MAX];
        size_t n = 0;
        int r = message.holds_claims ? claims_find(session, NULL, handles, &n) : 0;

        /* What the status showed before stays. */
        if (r == CALL_FAILED && session_is_well(session))
                return 0;
        if (r != 0)
                return r;
        if (begin_claim(thread)) {
                (void)message_send_claims(REQUEST_FD, &message, NULL, 0);
                pthread_rwlock_unlock(&thread->threads->channel);
        }
        for (size_t i = 0; i < n; i++) {
                struct claim_object object;

                r = claims_read(session, handles[i], &object);
                if (session_said(session, r, CKR_OBJECT_HANDLE_INVALID))
                        continue;
                if (r != 0)
                        return r;
                if (!object.readable || memcmp(object.claim.claimant, claimant->id, CLAIMANT_LENGTH) != 0)
                        report_claim(thread, &object);
        }
        return 0;
}

struct report report_to_broker(struct thread *thread)
{
        return (struct report){report_entry, report_drop, report_settled, report_session_counts, thread};
}

int refresh_attempt(struct operation *operation, const void *request)
{
        const struct message_refresh *message = request;
        int r = report_claims(operation);

        atomic_store(&operation->session->token->no_copies, message->no_copies != 0);
        if (r == 0)
                r = inventory_refresh(
                        operation->inventory, operation->session, operation->report, message->all);
        return r;
}
