/* SPDX-License-Identifier: MPL-2.0 */
/* See threads.h. */
#include "daemon/worker/threads.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/util/ckr.h"
#include "daemon/util/log.h"
#include "daemon/worker/claims/create-under-claim.h"
#include "daemon/worker/device/login.h"
#include "daemon/worker/threads-types.h"

/* How long the end of the process waits for replies of other threads. */
#define ENDING_WAIT_USEC (200U * USEC_PER_MSEC)
#define ENDING_STEP_USEC (2U * USEC_PER_MSEC)
/* How often the monitor looks at the threads at least. */
#define WATCH_MAX_USEC (1U * USEC_PER_SEC)
#define WATCH_MIN_USEC (5U * USEC_PER_MSEC)

int serve_new(uint32_t epoch, struct serve **ret)
{
        struct serve *serve = calloc(1, sizeof(*serve));
        int r;

        if (!serve)
                return -ENOMEM;
        pthread_rwlock_init(&serve->channel, NULL);
        pthread_mutex_init(&serve->fresh_lock, NULL);
        pthread_cond_init(&serve->fresh, NULL);
        atomic_store(&serve->epoch, epoch);
        r = accel_init(&serve->accel);
        if (r < 0) {
                free(serve);
                return r;
        }
        *ret = serve;
        return 0;
}

/* ---- sending; the caller holds the channel ---- */

void serve_hello(const struct slot_token *token, unsigned n_threads, unsigned busy)
{
        struct message_hello hello = {.version = MESSAGE_VERSION,
                .label = token->label,
                .manufacturer = token->manufacturer,
                .model = token->model,
                .serial = token->serial,
                .session_limit = token->budget,
                .threads = n_threads,
                .busy = busy};
        _cleanup_(freep) uint8_t *mechanisms = malloc(8 * token->n_mechanisms + 1);
        struct wire wire = {.data = mechanisms, .size = mechanisms ? 8 * token->n_mechanisms : 0};
        int r;

        for (size_t i = 0; mechanisms && i < token->n_mechanisms; i++)
                wire_put_u64(&wire, token->mechanisms[i]);
        hello.mechanisms = wire_bytes(mechanisms, wire.at);
        r = message_send_hello(REQUEST_FD, &hello, NULL, 0);
        /* A broker that is gone: the next one gets its own. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                log_error("HELLO cannot be sent: %s", strerror(-r));
}

static void send_sessions(struct serve *serve, bool always)
{
        uint32_t open = atomic_load(&serve->token->n_open), logins = atomic_load(&serve->token->n_logins);
        uint64_t now = (uint64_t)open << 32 | logins;
        struct message_sessions sessions = {open, logins};

        if (atomic_exchange(&serve->told_sessions, now) != now || always)
                (void)message_send_sessions(REQUEST_FD, &sessions, NULL, 0);
}

static void send_reply(struct thread *thread, uint64_t request)
{
        const struct result *result = &thread->operation.result;
        struct message_reply reply = {.request = request,
                .status = (uint8_t)result->status,
                .ckr = result->ckr,
                .device_usec = thread->session.device_usec,
                .payload = wire_bytes(result->payload, result->payload_length),
                .text = result->text};

        (void)message_send_reply(REQUEST_FD, &reply, NULL, 0);
}

/* ---- a thread ---- */

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
        operation_answer(operation, REPLY_INVALID, "the %s message is malformed", message_name(type));
}

/* false: it is of a broker that is gone, and nobody waits for it. */
static bool take(struct thread *thread, uint64_t request)
{
        struct serve *serve = thread->serve;
        bool ours;

        pthread_rwlock_rdlock(&serve->channel);
        ours = request >> 32 == atomic_load(&serve->epoch);
        if (ours) {
                atomic_store(&thread->request, request);
                atomic_store(&thread->state, BUSY);
        }
        pthread_rwlock_unlock(&serve->channel);
        return ours;
}

static void give(struct thread *thread)
{
        struct serve *serve = thread->serve;
        int busy = BUSY;

        pthread_rwlock_rdlock(&serve->channel);
        if (atomic_compare_exchange_strong(&thread->state, &busy, IDLE)) {
                send_reply(thread, atomic_load(&thread->request));
                send_sessions(serve, false);
        }
        pthread_rwlock_unlock(&serve->channel);
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
        if (atomic_load(&thread->serve->ending)) {
                operation->result = (struct result){.status = REPLY_DEVICE_LOST};
                operation_answer(operation, REPLY_DEVICE_LOST, "the worker is ending");
        } else {
                dispatch(operation, type, &wire);
        }
        give(thread);
        if (operation->ending)
                serve_end(thread->serve, &operation->failure);
}

static CK_RV check_attempt(struct operation *operation, const void *request)
{
        return session_check(operation->session);
}

/* Nothing came for KeepAlive=: the session is asked, so that the device does not drop it and a loss is mended
 * before a request meets it. */
static void keep_alive(struct thread *thread)
{
        struct serve *serve = thread->serve;
        struct operation *operation = &thread->operation;

        operation_run(operation, check_attempt, NULL);
        if (operation->ending)
                serve_end(serve, &operation->failure);
        pthread_rwlock_rdlock(&serve->channel);
        send_sessions(serve, false);
        pthread_rwlock_unlock(&serve->channel);
}

static void wait_for_channel(struct serve *serve, uint32_t epoch)
{
        pthread_mutex_lock(&serve->fresh_lock);
        while (atomic_load(&serve->epoch) == epoch)
                pthread_cond_wait(&serve->fresh, &serve->fresh_lock);
        pthread_mutex_unlock(&serve->fresh_lock);
}

static void *thread_main(void *userdata)
{
        struct thread *thread = userdata;
        struct serve *serve = thread->serve;

        for (;;) {
                uint32_t epoch = atomic_load(&serve->epoch);
                size_t length;
                int r = channel_receive_plain(REQUEST_FD, thread->buffer, sizeof(thread->buffer), &length);

                if (r == 0)
                        handle(thread, length);
                else if (r == -EAGAIN)
                        keep_alive(thread);
                else if (r != -EMSGSIZE)
                        wait_for_channel(serve, epoch);
        }
        return NULL;
}

/* ---- starting ---- */

static void set_timeout(const struct slot_token *token)
{
        uint64_t usec = token->config->keep_alive_usec;
        struct timeval timeout = {(time_t)(usec / USEC_PER_SEC), (suseconds_t)(usec % USEC_PER_SEC)};

        if (setsockopt(REQUEST_FD, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                log_warning("the request channel takes no timeout, sessions are not kept alive: %s",
                        strerror(errno));
}

static struct thread *thread_new(struct serve *serve)
{
        struct thread *thread = calloc(1, sizeof(*thread));

        if (!thread)
                return NULL;
        thread->serve = serve;
        thread->report = report_to_broker(thread);
        thread->operation = (struct operation){.session = &thread->session,
                .inventory = serve->inventory,
                .claimant = &serve->claimant,
                .accel = &serve->accel,
                .report = &thread->report};
        return thread;
}

/* As many sessions as there should be, or as the device has left; the first is logged in before the others
 * open. */
static int open_sessions(struct serve *serve, unsigned wanted, unsigned *ret_n, struct failure *failure)
{
        struct slot_token *token = serve->token;
        unsigned n = 0;

        serve->threads = calloc(wanted, sizeof(struct thread *));
        while (serve->threads && n < wanted) {
                struct thread *thread = thread_new(serve);
                CK_RV rv;

                if (!thread)
                        return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
                rv = session_open(&thread->session, token);
                if (rv != CKR_OK && n > 0) {
                        char name[CKR_TEXT];
                        log_warning("token %s: %u sessions of %u, then C_OpenSession: %s",
                                token->config->name, n, wanted, ckr_text(rv, name));
                        free(thread);
                        break;
                }
                serve->threads[n] = thread;
                if (rv != CKR_OK)
                        return failure_ckr(failure, rv, "C_OpenSession");
                if (n++ == 0 && login(&thread->session, failure) != 0)
                        return 1;
        }
        if (n == 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        *ret_n = n;
        return 0;
}

static int start_threads(struct serve *serve, unsigned n, struct failure *failure)
{
        for (unsigned i = 0; i < n; i++) {
                int r = pthread_create(&serve->threads[i]->id, NULL, thread_main, serve->threads[i]);
                if (r != 0)
                        return failure_set(
                                failure, WORKER_END_ERROR, 0, "a thread cannot be started: %s", strerror(r));
        }
        return 0;
}

/* Copies of keys lie with a session of their own, as long as it is open. */
static void *peer_main(void *userdata)
{
        struct thread *thread = userdata;

        accel_serve(&thread->operation);
        serve_end(thread->serve, &thread->operation.failure);
}

/* The session is opened before the threads make calls: some tokens do not take it well that two open at once. */
static int prepare_peer(struct serve *serve, struct failure *failure)
{
        struct slot_token *token = serve->token;
        struct thread *thread;
        char name[CKR_TEXT];
        CK_RV rv;

        if (token->config->role != ROLE_ACCELERATOR)
                return 0;
        if (accel_prepare(&serve->accel, token) < 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        if (!wrap_can_take(token) || token->budget <= slot_token_threads(token) + 1) {
                log_notice("token %s: no copies of keys are taken: %s", token->config->name,
                        wrap_can_take(token) ? "Sessions= has no room for them" : "it cannot unwrap keys");
                return 0;
        }
        thread = thread_new(serve);
        if (!thread)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        rv = session_open(&thread->session, token);
        if (rv == CKR_OK) {
                serve->peer_thread = thread;
                return 0;
        }
        log_warning("token %s: no copies of keys are taken: C_OpenSession: %s", token->config->name,
                ckr_text(rv, name));
        free(thread);
        return 0;
}

static int start_peer(struct serve *serve, struct failure *failure)
{
        struct thread *thread = serve->peer_thread;
        int r;

        if (!thread) {
                /* Who asks an accelerator that takes no copies is told so by the end of the channel, and does not wait. */
                if (serve->token->config->role == ROLE_ACCELERATOR)
                        accel_channels_close(serve->accel.channels);
                return 0;
        }
        r = pthread_create(&thread->id, NULL, peer_main, thread);
        return r == 0 ? 0
                      : failure_set(
                                failure, WORKER_END_ERROR, 0, "a thread cannot be started: %s", strerror(r));
}

int serve_start(
        struct serve *serve, struct slot_token *token, const struct config *config, struct failure *failure)
{
        unsigned n = 0;
        int r;

        serve->token = token;
        if (inventory_new(&serve->inventory) < 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "out of memory");
        r = open_sessions(serve, slot_token_threads(token), &n, failure);
        if (r != 0)
                return r;
        claimant_init(&serve->claimant, config->state_directory, token->config->name, !token->internal);
        r = reclaim(&serve->threads[0]->operation, failure);
        if (r != 0)
                return r;
        r = prepare_peer(serve, failure);
        if (r != 0)
                return r;
        r = message_send_up(CONTROL_FD, &(struct message_up){n}, NULL, 0);
        if (r < 0)
                return failure_set(failure, WORKER_END_ERROR, 0, "UP cannot be sent: %s", strerror(-r));
        pthread_rwlock_wrlock(&serve->channel);
        set_timeout(token);
        serve_hello(token, n, 0);
        send_sessions(serve, true);
        atomic_store(&serve->n_threads, n);
        pthread_rwlock_unlock(&serve->channel);
        r = start_threads(serve, n, failure);
        return r != 0 ? r : start_peer(serve, failure);
}

/* ---- the monitor's part ---- */

void serve_peer(struct serve *serve, const char *token, int fd)
{
        accel_channels_put(serve->accel.channels, token, fd);
}

void serve_channel(struct serve *serve, int fd, uint32_t epoch)
{
        unsigned n, busy = 0;

        /* Wakes whoever waits on the old one, to receive or to send. */
        (void)shutdown(REQUEST_FD, SHUT_RDWR);
        pthread_rwlock_wrlock(&serve->channel);
        (void)dup3(fd, REQUEST_FD, O_CLOEXEC);
        close(fd);
        n = atomic_load(&serve->n_threads);
        for (unsigned i = 0; i < n; i++)
                busy += atomic_load(&serve->threads[i]->state) == BUSY;
        pthread_mutex_lock(&serve->fresh_lock);
        atomic_store(&serve->epoch, epoch);
        pthread_cond_broadcast(&serve->fresh);
        pthread_mutex_unlock(&serve->fresh_lock);
        /* Before the threads stand, serve_start() says it. */
        if (n > 0) {
                set_timeout(serve->token);
                if (serve->accel.copies)
                        copies_disown(
                                serve->accel.copies, now_usec() + serve->token->config->keep_alive_usec);
                serve_hello(serve->token, n, busy);
                send_sessions(serve, true);
        }
        pthread_rwlock_unlock(&serve->channel);
}

/* Answers for a thread whose call does not come back. */
static void give_up_on(struct serve *serve, struct thread *thread, const struct failure *failure)
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

static uint64_t watch_all(struct serve *serve, struct thread **ret_hung, uint64_t *ret_limit)
{
        uint64_t next = WATCH_MAX_USEC, now = now_usec();
        unsigned n = atomic_load(&serve->n_threads);

        for (unsigned i = 0; i < n && next > 0; i++) {
                uint64_t usec = watch_one(serve->threads[i], now, ret_hung, ret_limit);
                next = MIN_OF(next, usec);
        }
        if (n > 0 && serve->peer_thread && next > 0) {
                uint64_t usec = watch_one(serve->peer_thread, now, ret_hung, ret_limit);
                next = MIN_OF(next, usec);
        }
        return next > 0 ? MAX_OF(next, WATCH_MIN_USEC) : 0;
}

void serve_sought(struct serve *serve, const struct message_sought *sought)
{
        /* Before the threads stand nobody has asked. */
        if (atomic_load(&serve->n_threads) > 0)
                claimant_answer(&serve->claimant, sought);
}

uint64_t serve_watch(struct serve *serve)
{
        struct thread *hung = NULL;
        struct failure failure;
        uint64_t limit = 0, next = watch_all(serve, &hung, &limit);

        if (next > 0)
                return next;
        failure_set(&failure, WORKER_END_HUNG, 0, "%s did not come back within %llu ms",
                atomic_load(&hung->session.call_name), (unsigned long long)(limit / USEC_PER_MSEC));
        give_up_on(serve, hung, &failure);
        serve_end(serve, &failure);
}

uint64_t serve_stop(struct serve *serve)
{
        atomic_store(&serve->stopping, true);
        /* The broker learns at once that this worker serves no more, and keeps what waits for the next one. */
        (void)shutdown(REQUEST_FD, SHUT_RDWR);
        return atomic_load(&serve->n_threads) > 0 ? serve->token->config->generate_timeout_usec : 0;
}

uint64_t serve_watch_stop(struct serve *serve)
{
        struct thread *hung;
        uint64_t limit;

        return watch_all(serve, &hung, &limit);
}

/* Another thread ends the process. */
static _Noreturn void wait_for_exit(void)
{
        for (;;)
                pause();
}

static bool all_idle(struct serve *serve)
{
        unsigned n = atomic_load(&serve->n_threads);

        for (unsigned i = 0; i < n; i++)
                if (atomic_load(&serve->threads[i]->state) == BUSY)
                        return false;
        return true;
}

_Noreturn void serve_end(struct serve *serve, const struct failure *failure)
{
        struct message_ending ending = {
                .end = (uint8_t)failure->end, .ckr = failure->ckr, .reason = failure->reason};

        if (atomic_exchange(&serve->ending, true) || atomic_load(&serve->stopping))
                wait_for_exit();
        for (uint64_t until = now_usec() + ENDING_WAIT_USEC; !all_idle(serve) && now_usec() < until;)
                usleep(ENDING_STEP_USEC);
        if (atomic_load(&serve->stopping))
                wait_for_exit();
        (void)message_send_ending(CONTROL_FD, &ending, NULL, 0);
        _exit(EXIT_FAILURE);
}
