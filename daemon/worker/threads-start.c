/* SPDX-License-Identifier: MPL-2.0 */
/* See threads.h: how the sessions and the threads come to be. */
#include <string.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/ops/reclaim.h"
#include "daemon/worker/report.h"

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

static struct thread *thread_new(struct threads *threads)
{
        struct thread *thread = calloc(1, sizeof(*thread));

        if (!thread)
                return NULL;
        thread->threads = threads;
        thread->since_usec = now_usec();
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

static int receivers_new(struct threads *threads, unsigned n)
{
        threads->receivers = calloc(n, sizeof(struct receiver *));
        for (unsigned i = 0; threads->receivers && i < n; i++) {
                threads->receivers[i] = calloc(1, sizeof(struct receiver));
                if (!threads->receivers[i])
                        return -ENOMEM;
                threads->receivers[i]->threads = threads;
        }
        return threads->receivers ? 0 : -ENOMEM;
}

static int start_receivers(struct threads *threads, unsigned n, struct failure *failure)
{
        for (unsigned i = 0; i < n; i++) {
                struct receiver *receiver = threads->receivers[i];
                int r = pthread_create(&receiver->id, NULL, receiver_main, receiver);

                if (r != 0)
                        return failure_set(
                                failure, WORKER_END_ERROR, 0, "cannot start a thread: %s", strerror(r));
                atomic_store(&receiver->started, true);
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
        r = token->beside ? 0 : reclaim(&threads->list[0]->operation, failure);
        if (r != 0)
                return r;
        r = prepare_peer(threads, failure);
        if (r == 0)
                r = receivers_new(threads, n);
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
        r = start_receivers(threads, n, failure);
        return r != 0 ? r : start_peer(threads, failure);
}
