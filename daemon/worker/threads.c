/* SPDX-License-Identifier: MPL-2.0 */
/* See threads.h. */
#include "daemon/worker/threads.h"

#include <string.h>

#include "daemon/util/log.h"
#include "daemon/worker/core/session-copy.h"
#include "daemon/worker/report.h"
#include "daemon/worker/secrets/opened.h"

/* clang-format off */
#define ATTEMPT(NAME, lower, class, answer, fields) [MESSAGE_TYPE_##NAME] = lower##_attempt,
static operation_attempt *const attempts[] = {OPERATIONS(ATTEMPT, )};
/* clang-format on */

static void dispatch(struct operation *operation, enum message_type type, struct wire *wire)
{
        const struct operation_info *info = operation_info(type);
        union operation_message message;

        if (info && info->get(wire, &message) == 0) {
                operation_run(operation, attempts[type], &message);
                return;
        }
        operation->result = (struct result){.status = REPLY_INVALID};
        (void)operation_invalid(operation, NULL, "the %s message is malformed", message_name(type));
}

/* false: the request is of a broker that is gone, and nobody waits for it. */
static bool take(struct thread *thread, uint64_t request)
{
        struct threads *threads = thread->threads;
        bool ours;

        pthread_rwlock_rdlock(&threads->channel);
        ours = request >> 32 == atomic_load(&threads->epoch);
        if (ours) {
                atomic_store(&thread->request, request);
                atomic_store(&thread->state, BUSY);
        }
        pthread_rwlock_unlock(&threads->channel);
        return ours;
}

/* ---- sessions ---- */

static bool try_session(struct receiver *receiver, struct thread *thread)
{
        if (atomic_load_explicit(&thread->taken, memory_order_relaxed) ||
                atomic_exchange(&thread->taken, true))
                return false;
        atomic_store(&receiver->at, thread);
        return true;
}

/* The first that is free. There are as many as receivers, and each has one at most. */
static struct thread *take_session(struct receiver *receiver)
{
        struct threads *threads = receiver->threads;
        unsigned n = atomic_load(&threads->n_threads), i = 0;

        while (!try_session(receiver, threads->list[i]))
                i = (i + 1) % n;
        return threads->list[i];
}

static void leave_session(struct receiver *receiver, struct thread *thread)
{
        atomic_store(&thread->since_usec, now_usec());
        atomic_store(&receiver->at, NULL);
        atomic_store(&thread->taken, false);
}

/* ---- requests ---- */

/* The session is left before the answer goes: who has it and asks again finds that session free. One that ends the worker is not. */
static void give(struct receiver *receiver, struct thread *thread)
{
        struct threads *threads = thread->threads;
        struct result *result = &thread->operation.result;
        struct wire wire = {.data = receiver->buffer, .size = sizeof(receiver->buffer)};
        bool ours;
        int busy = BUSY;

        pthread_rwlock_rdlock(&threads->channel);
        ours = atomic_compare_exchange_strong(&thread->state, &busy, IDLE);
        if (ours)
                report_put_reply(thread, atomic_load(&thread->request), &wire);
        /* What came and what goes may be secret. */
        explicit_bzero(result->payload, result->payload_length);
        if (!thread->operation.ending)
                leave_session(receiver, thread);
        if (ours) {
                (void)channel_send(REQUEST_FD, receiver->buffer, wire.at, NULL, 0);
                report_sessions(threads, false);
        }
        pthread_rwlock_unlock(&threads->channel);
        explicit_bzero(receiver->buffer, MAX_OF(wire.at, receiver->length));
}

static void handle(struct receiver *receiver, struct thread *thread)
{
        struct operation *operation = &thread->operation;
        struct wire wire = {.data = receiver->buffer, .size = receiver->length}, peek = wire;
        enum message_type type = message_type(&wire);
        uint64_t request;
        bool ends;

        /* Every request begins with its number. */
        (void)wire_get_u8(&peek);
        request = wire_get_u64(&peek);
        if (peek.bad || !take(thread, request)) {
                leave_session(receiver, thread);
                return;
        }
        thread->session.device_usec = 0;
        if (atomic_load(&thread->threads->ending)) {
                operation->result = (struct result){.status = REPLY_DEVICE_LOST};
                (void)operation_answer(operation, REPLY_DEVICE_LOST, "the worker is ending");
        } else {
                dispatch(operation, type, &wire);
        }
        /* Afterwards it may be another receiver's, unless it ends the worker. */
        ends = operation->ending;
        give(receiver, thread);
        if (ends)
                threads_end(thread->threads, &operation->failure);
}

static int check_attempt(struct operation *operation, const void *request)
{
        return session_check(operation->session);
}

/* No request came to it for KeepAlive=. The session is checked, so that the device does not drop it, and so that a
 * loss is repaired before a request meets it. */
static void keep_alive(struct thread *thread)
{
        struct threads *threads = thread->threads;
        struct operation *operation = &thread->operation;

        operation_run(operation, check_attempt, NULL);
        /* Sealed keys that nobody uses are not kept open. */
        opened_clear(&thread->session);
        session_copy_tidy(&thread->session, threads->inventory);
        if (operation->ending)
                threads_end(threads, &operation->failure);
        pthread_rwlock_rdlock(&threads->channel);
        report_sessions(threads, false);
        pthread_rwlock_unlock(&threads->channel);
}

/* Looks at the sessions that have had nothing to do, so early and so often, in parts of KeepAlive=, that none waits longer than it. */
#define TEND_PARTS 4U

static void tend(struct receiver *receiver, bool nothing_came)
{
        struct threads *threads = receiver->threads;
        uint64_t part = threads->token->config->keep_alive_usec / TEND_PARTS, now = now_usec();
        unsigned n = atomic_load(&threads->n_threads);

        if (now < atomic_load_explicit(&threads->tend_usec, memory_order_relaxed) && !nothing_came)
                return;
        atomic_store(&threads->tend_usec, now + part);
        for (unsigned i = 0; i < n; i++) {
                struct thread *thread = threads->list[i];

                if (now < atomic_load(&thread->since_usec) + (TEND_PARTS - 1) * part ||
                        !try_session(receiver, thread))
                        continue;
                keep_alive(thread);
                leave_session(receiver, thread);
        }
}

static void wait_for_channel(struct threads *threads, uint32_t epoch)
{
        pthread_mutex_lock(&threads->fresh_lock);
        while (atomic_load(&threads->epoch) == epoch)
                pthread_cond_wait(&threads->fresh, &threads->fresh_lock);
        pthread_mutex_unlock(&threads->fresh_lock);
}

void *receiver_main(void *userdata)
{
        struct receiver *receiver = userdata;
        struct threads *threads = receiver->threads;

        for (;;) {
                uint32_t epoch = atomic_load(&threads->epoch);
                int r = channel_receive_plain(
                        REQUEST_FD, receiver->buffer, sizeof(receiver->buffer), &receiver->length);

                if (r == 0)
                        handle(receiver, take_session(receiver));
                else if (r != -EAGAIN && r != -EMSGSIZE)
                        wait_for_channel(threads, epoch);
                tend(receiver, r == -EAGAIN);
        }
        return NULL;
}
