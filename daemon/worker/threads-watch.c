/* SPDX-License-Identifier: MPL-2.0 */
/* See threads.h: what the monitor does with the threads and their channel, and how the process ends. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/util/log.h"
#include "daemon/worker/device/store.h"
#include "daemon/worker/report.h"
#include "daemon/worker/threads.h"

/* How long the end of the process waits for the replies of other threads. */
#define ENDING_WAIT_USEC (200U * USEC_PER_MSEC)
#define ENDING_STEP_USEC (2U * USEC_PER_MSEC)
/* How soon the monitor looks at the threads again: at the latest, and at the earliest. */
#define WATCH_MAX_USEC (1U * USEC_PER_SEC)
#define WATCH_MIN_USEC (5U * USEC_PER_MSEC)
/* While the process takes much memory. */
#define WATCH_GROWING_USEC (20U * USEC_PER_MSEC)

/* ---- the request channel ---- */

static void set_timeout(const struct slot_token *token)
{
        uint64_t usec = token->config->keep_alive_usec;
        struct timeval timeout = {(time_t)(usec / USEC_PER_SEC), (suseconds_t)(usec % USEC_PER_SEC)};

        if (setsockopt(REQUEST_FD, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                log_warning("cannot set a timeout on the request channel, so sessions are not kept alive: %s",
                        strerror(errno));
}

void threads_open_channel(struct threads *threads, unsigned n, unsigned busy)
{
        set_timeout(threads->token);
        report_hello(threads->token, n, busy);
        report_sessions(threads, true);
}

void threads_peer(struct threads *threads, const char *token, int fd)
{
        accel_channels_put(threads->accel.channels, token, fd);
}

void threads_channel(struct threads *threads, int fd, uint32_t epoch)
{
        unsigned n, busy = 0;

        /* Wakes the threads that wait on the old channel, to receive or to send. */
        (void)shutdown(REQUEST_FD, SHUT_RDWR);
        pthread_rwlock_wrlock(&threads->channel);
        (void)dup3(fd, REQUEST_FD, O_CLOEXEC);
        close(fd);
        own_process_note(&threads->own);
        n = atomic_load(&threads->n_threads);
        for (unsigned i = 0; i < n; i++)
                busy += atomic_load(&threads->list[i]->state) == BUSY;
        pthread_mutex_lock(&threads->fresh_lock);
        atomic_store(&threads->epoch, epoch);
        pthread_cond_broadcast(&threads->fresh);
        pthread_mutex_unlock(&threads->fresh_lock);
        /* Before the threads are there, threads_start() does this. */
        if (n > 0) {
                if (threads->accel.copies)
                        copies_disown(
                                threads->accel.copies, now_usec() + threads->token->config->keep_alive_usec);
                threads_open_channel(threads, n, busy);
        }
        pthread_rwlock_unlock(&threads->channel);
}

/* Answers for a thread whose call does not come back. */
static void give_up_on(struct threads *threads, struct thread *thread, const struct failure *failure)
{
        int busy = BUSY;
        struct message_reply reply = {.status = REPLY_WORKER_LOST,
                .request = atomic_load(&thread->request),
                .text = failure->reason};

        if (atomic_compare_exchange_strong(&thread->state, &busy, TAKEN))
                (void)message_send_reply(REQUEST_FD, &reply, NULL, 0);
}

/* 0: the thread's call has outlived its limit, and *ret is the thread. */
static uint64_t watch_one(struct thread *thread, uint64_t now, struct thread **ret, uint64_t *ret_limit)
{
        uint64_t next = session_overdue(&thread->session, now, ret_limit);

        if (next == 0)
                *ret = thread;
        return next;
}

static uint64_t watch_all(struct threads *threads, struct thread **ret_hung, uint64_t *ret_limit)
{
        uint64_t next = WATCH_MAX_USEC, now = now_usec();
        unsigned n = atomic_load(&threads->n_threads);

        for (unsigned i = 0; i < n && next > 0; i++) {
                uint64_t usec = watch_one(threads->list[i], now, ret_hung, ret_limit);
                next = MIN_OF(next, usec);
        }
        if (n > 0 && threads->peer_thread && next > 0) {
                uint64_t usec = watch_one(threads->peer_thread, now, ret_hung, ret_limit);
                next = MIN_OF(next, usec);
        }
        return next > 0 ? MAX_OF(next, WATCH_MIN_USEC) : 0;
}

void threads_sought(struct threads *threads, const struct message_sought *sought)
{
        /* Before the threads are there nobody has asked. */
        if (atomic_load(&threads->n_threads) > 0)
                claimant_answer(&threads->claimant, sought);
}

/* The module may end a thread that calls it, or another one. */
static struct receiver *ended_receiver(struct threads *threads)
{
        unsigned n = atomic_load(&threads->n_threads);

        for (unsigned i = 0; i < n; i++)
                if (atomic_load(&threads->receivers[i]->started) &&
                        pthread_tryjoin_np(threads->receivers[i]->id, NULL) == 0)
                        return threads->receivers[i];
        return NULL;
}

uint64_t threads_watch(struct threads *threads)
{
        struct receiver *ended = ended_receiver(threads);
        struct thread *hung = NULL;
        struct failure failure;
        uint64_t limit = 0, next;

        if (ended)
                failure_set(&failure, WORKER_END_ERROR, 0, "the module ended a thread of its process");
        if (ended && atomic_load(&ended->at))
                give_up_on(threads, atomic_load(&ended->at), &failure);
        if (ended || own_process_check(&threads->own, &failure) != 0)
                threads_end(threads, &failure);
        if (atomic_load(&threads->n_threads) > 0 && threads->token->internal &&
                store_check(threads->token, &failure) != 0)
                threads_end(threads, &failure);
        next = watch_all(threads, &hung, &limit);
        if (next > 0)
                return threads->own.grows ? MIN_OF(next, WATCH_GROWING_USEC) : next;
        failure_set(&failure, WORKER_END_HUNG, 0, "%s did not come back within %llu ms",
                atomic_load(&hung->session.call_name), (unsigned long long)(limit / USEC_PER_MSEC));
        give_up_on(threads, hung, &failure);
        threads_end(threads, &failure);
}

uint64_t threads_stop(struct threads *threads)
{
        atomic_store(&threads->stopping, true);
        /* The broker learns at once that this worker serves no more, and keeps what waits for the next
         * one. */
        (void)shutdown(REQUEST_FD, SHUT_RDWR);
        return atomic_load(&threads->n_threads) > 0 ? threads->token->config->generate_timeout_usec : 0;
}

uint64_t threads_watch_stop(struct threads *threads)
{
        struct thread *hung;
        uint64_t limit;

        return watch_all(threads, &hung, &limit);
}

/* Another thread ends the process. */
static _Noreturn void wait_for_exit(void)
{
        for (;;)
                pause();
}

static bool all_idle(struct threads *threads)
{
        unsigned n = atomic_load(&threads->n_threads);

        for (unsigned i = 0; i < n; i++)
                if (atomic_load(&threads->list[i]->state) == BUSY)
                        return false;
        return true;
}

_Noreturn void threads_end(struct threads *threads, const struct failure *failure)
{
        struct message_ending ending = {
                .end = (uint8_t)failure->end, .ckr = failure->ckr, .reason = failure->reason};

        if (atomic_exchange(&threads->ending, true) || atomic_load(&threads->stopping))
                wait_for_exit();
        for (uint64_t until = now_usec() + ENDING_WAIT_USEC; !all_idle(threads) && now_usec() < until;)
                usleep(ENDING_STEP_USEC);
        if (atomic_load(&threads->stopping))
                wait_for_exit();
        (void)message_send_ending(CONTROL_FD, &ending, NULL, 0);
        _exit(EXIT_FAILURE);
}
