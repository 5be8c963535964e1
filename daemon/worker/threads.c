/* SPDX-License-Identifier: MPL-2.0 */
/* See threads.h. */
#include "daemon/worker/threads.h"

#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/ops/reclaim.h"
#include "daemon/worker/report.h"
#include "daemon/worker/secrets/opened.h"

int threads_new(uint32_t epoch, struct threads **ret)
{
        struct threads *threads = calloc(1, sizeof(*threads));
        int r;

        if (!threads)
                return -ENOMEM;
        pthread_rwlock_init(&threads->channel, NULL);
        pthread_mutex_init(&threads->fresh_lock, NULL);
        pthread_cond_init(&threads->fresh, NULL);
        atomic_store(&threads->epoch, epoch);
        own_process_note(&threads->own);
        r = accel_init(&threads->accel);
        if (r < 0) {
                free(threads);
                return r;
        }
        *ret = threads;
        return 0;
}

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

static void give(struct thread *thread)
{
        struct threads *threads = thread->threads;
        int busy = BUSY;

        pthread_rwlock_rdlock(&threads->channel);
        if (atomic_compare_exchange_strong(&thread->state, &busy, IDLE)) {
                report_reply(thread, atomic_load(&thread->request));
                report_sessions(threads, false);
        }
        pthread_rwlock_unlock(&threads->channel);
}

static void handle(struct thread *thread, size_t length)
{
        struct operation *operation = &thread->operation;
        struct wire wire = {.data = thread->buffer, .size = length}, peek = wire;
        enum message_type type = message_type(&wire);
        uint64_t request;

        /* Every request begins with its number. */
        (void)wire_get_u8(&peek);
        request = wire_get_u64(&peek);
        if (peek.bad || !take(thread, request))
                return;
        thread->session.device_usec = 0;
        if (atomic_load(&thread->threads->ending)) {
                operation->result = (struct result){.status = REPLY_DEVICE_LOST};
                (void)operation_answer(operation, REPLY_DEVICE_LOST, "the worker is ending");
        } else {
                dispatch(operation, type, &wire);
        }
        give(thread);
        /* What came and what went may have been secret. */
        explicit_bzero(thread->buffer, length);
        explicit_bzero(operation->result.payload, operation->result.payload_length);
        if (operation->ending)
                threads_end(thread->threads, &operation->failure);
}

static int check_attempt(struct operation *operation, const void *request)
{
        return session_check(operation->session);
}

/* No request came for KeepAlive=. The session is checked, so that the device does not drop it, and so that a
 * loss is repaired before a request meets it. */
static void keep_alive(struct thread *thread)
{
        struct threads *threads = thread->threads;
        struct operation *operation = &thread->operation;

        operation_run(operation, check_attempt, NULL);
        /* Sealed keys that nobody uses are not kept open. */
        opened_clear(&thread->session);
        if (operation->ending)
                threads_end(threads, &operation->failure);
        pthread_rwlock_rdlock(&threads->channel);
        report_sessions(threads, false);
        pthread_rwlock_unlock(&threads->channel);
}

static void wait_for_channel(struct threads *threads, uint32_t epoch)
{
        pthread_mutex_lock(&threads->fresh_lock);
        while (atomic_load(&threads->epoch) == epoch)
                pthread_cond_wait(&threads->fresh, &threads->fresh_lock);
        pthread_mutex_unlock(&threads->fresh_lock);
}

static void *thread_main(void *userdata)
{
        struct thread *thread = userdata;
        struct threads *threads = thread->threads;

        for (;;) {
                uint32_t epoch = atomic_load(&threads->epoch);
                size_t length;
                int r = channel_receive_plain(REQUEST_FD, thread->buffer, sizeof(thread->buffer), &length);

                if (r == 0)
                        handle(thread, length);
                else if (r == -EAGAIN)
                        keep_alive(thread);
                else if (r != -EMSGSIZE)
                        wait_for_channel(threads, epoch);
        }
        return NULL;
}

/* ---- starting ---- */

static struct thread *thread_new(struct threads *threads)
{
        struct thread *thread = calloc(1, sizeof(*thread));

        if (!thread)
                return NULL;
        thread->threads = threads;
        thread->report = report_to_broker(thread);
        thread->operation = (struct operation){.session = &thread->session,
                .inventory = threads->inventory,
                .claimant = &threads->claimant,
                .accel = &threads->accel,
                .report = &thread->report};
        return thread;
}

/* As many sessions as there should be, or as many as the device has left. The first is logged in before the
 * others are opened. */
static int open_sessions(struct threads *threads, unsigned wanted, unsigned *ret_n, struct failure *failure)
{
        struct slot_token *token = threads->token;
        char name[CKR_TEXT];
        unsigned n = 0;

        threads->list = calloc(wanted, sizeof(struct thread *));
        while (threads->list && n < wanted) {
                struct thread *thread = thread_new(threads);
                int r;

                if (!thread)
                        return -ENOMEM;
                r = session_open(&thread->session, token);
                if (r != 0 && n > 0) {
                        log_warning("token %s: the device gave %u sessions of %u, then C_OpenSession: %s",
                                token->config->name, n, wanted, ckr_text(thread->session.failed.ckr, name));
                        free(thread);
                        break;
                }
                threads->list[n] = thread;
                if (r == 0 && n++ == 0)
                        r = login(&thread->session, failure);
                if (r != 0)
                        return session_failure(&thread->session, r, NULL, failure);
        }
        if (n == 0)
                return -ENOMEM;
        *ret_n = n;
        return 0;
}

static int start_threads(struct threads *threads, unsigned n, struct failure *failure)
{
        for (unsigned i = 0; i < n; i++) {
                int r = pthread_create(&threads->list[i]->id, NULL, thread_main, threads->list[i]);
                if (r != 0)
                        return failure_set(
                                failure, WORKER_END_ERROR, 0, "cannot start a thread: %s", strerror(r));
                atomic_store(&threads->list[i]->started, true);
        }
        return 0;
}

/* Copies of keys belong to a session of their own and exist as long as it is open. */
static void *peer_main(void *userdata)
{
        struct thread *thread = userdata;

        accel_serve(&thread->operation);
        threads_end(thread->threads, &thread->operation.failure);
}

/* The session is opened before the threads make calls: some tokens fail if two sessions are opened at the
 * same time. */
static int prepare_peer(struct threads *threads, struct failure *failure)
{
        struct slot_token *token = threads->token;
        struct thread *thread;
        char name[CKR_TEXT];
        int r;

        if (token->config->role != ROLE_ACCELERATOR)
                return 0;
        r = accel_prepare(&threads->accel, token);
        if (r < 0)
                return r;
        if (!accel_can_unwrap(token) || token->budget <= slot_token_threads(token) + 1) {
                log_notice("token %s: copies of keys are not accepted: %s", token->config->name,
                        accel_can_unwrap(token) ? "Sessions= leaves no session for them"
                                                : "the token cannot unwrap keys");
                return 0;
        }
        thread = thread_new(threads);
        if (!thread)
                return -ENOMEM;
        r = session_open(&thread->session, token);
        if (r == 0) {
                threads->peer_thread = thread;
                return 0;
        }
        log_warning("token %s: copies of keys are not accepted: C_OpenSession: %s", token->config->name,
                ckr_text(thread->session.failed.ckr, name));
        free(thread);
        return 0;
}

static int start_peer(struct threads *threads, struct failure *failure)
{
        struct thread *thread = threads->peer_thread;
        int r;

        if (!thread) {
                /* Without copies the channels are closed, so that the other workers do not wait for an
                 * answer. */
                if (threads->token->config->role == ROLE_ACCELERATOR)
                        accel_channels_close(threads->accel.channels);
                return 0;
        }
        r = pthread_create(&thread->id, NULL, peer_main, thread);
        return r == 0 ? 0
                      : failure_set(failure, WORKER_END_ERROR, 0, "cannot start a thread: %s", strerror(r));
}

int threads_start(struct threads *threads, struct slot_token *token, const struct config *config,
        struct failure *failure)
{
        unsigned n = 0;
        int r;

        threads->token = token;
        if (inventory_new(&threads->inventory) < 0)
                return -ENOMEM;
        r = open_sessions(threads, slot_token_threads(token), &n, failure);
        if (r != 0)
                return r;
        claimant_init(&threads->claimant, config->state_directory, token->config->name, !token->internal);
        r = reclaim(&threads->list[0]->operation, failure);
        if (r != 0)
                return r;
        r = prepare_peer(threads, failure);
        if (r != 0)
                return r;
        atomic_store(&token->start.over, true);
        r = message_send_up(CONTROL_FD, &(struct message_up){n}, NULL, 0);
        if (r < 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "cannot send UP: %s", strerror(-r));
        pthread_rwlock_wrlock(&threads->channel);
        threads_open_channel(threads, n, 0);
        atomic_store(&threads->n_threads, n);
        pthread_rwlock_unlock(&threads->channel);
        r = start_threads(threads, n, failure);
        return r != 0 ? r : start_peer(threads, failure);
}
