/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: the broker, the supervisor and the clock. Nothing here allocates, but for the configurations, once each. */
#include "tests/unit/bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/broker/control.h"
#include "daemon/broker/model/registry.h"
#include "daemon/broker/audit/records.h"

/* ---- the clock. now_usec() of the whole program is called by this name (-Wl,--wrap); that of other tests is the real one. ---- */

/* So far ahead of the real clock that no timer of the system's ever goes off. */
#define AHEAD_USEC (UINT64_C(86400) * USEC_PER_SEC)
/* A timer that does not move on is a loop without an end. */
#define TICKS_MAX 10000U

static uint64_t bench_now;

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
extern uint64_t __real_now_usec(void);
uint64_t __wrap_now_usec(void)
{
        return bench_now ? bench_now : __real_now_usec();
}

/* ---- configurations ---- */

static void put_instance(char *text, size_t size, enum bench_change change)
{
        const char *name = change == CHANGE_RENAMED ? "b" : change == CHANGE_RENAMED_AGAIN ? "c" : "a";

        snprintf(text, size, "[Instance %s]\nUser=%u\nKeys=*\nAllow=%s\n", name,
                change == CHANGE_NO_INSTANCE ? 4243U : 4242U,
                "list sign decrypt derive verify random generate delete request import check wrap unwrap "
                "encrypt");
}

static void put_config(char *text, size_t size, const struct bench_cell *cell, enum bench_change change)
{
        static const char *const audits[] = {
                "none", "file:/audit", "file:/audit", "file:/audit", "journal", "journal"};
        bool accelerated = cell->accel != ACCEL_NONE && change != CHANGE_NO_ACCELERATOR;
        bool recorded = cell->records != REC_OFF && change != CHANGE_UNAUDITED;
        char instance[256];

        put_instance(instance, sizeof(instance), change);
        snprintf(text, size,
                "[Daemon]\nAudit=%s\nAuditRequired=%s\n%s%s%s%s"
                "[Token spare]\nModule=/spare.so\nRefresh=1d\n%s",
                recorded ? audits[cell->records] : "none",
                recorded && records_are_required(cell->records) ? "yes" : "no",
                recorded && audits[cell->records][0] == 'f' && change != CHANGE_NO_TOKEN
                        ? "AuditKey=hsm:audit\n"
                        : "",
                change == CHANGE_NO_TOKEN ? "" : "[Token hsm]\nModule=/hsm.so\nRefresh=1d\n",
                change != CHANGE_NO_TOKEN && accelerated ? "Accelerator=fast\n" : "",
                accelerated ? "[Token fast]\nModule=/fast.so\nRole=accelerator\nRefresh=1d\n" : "", instance);
}

/* Made once: a reload allocates nothing that is not the broker's. */
static int config_fd(const struct bench_cell *cell, enum bench_change change)
{
        static int fds[N_RECORDS][2][N_CHANGES];
        int *fd = &fds[cell->records][cell->accel != ACCEL_NONE][change];
        _cleanup_(config_freep) struct config *config = NULL;
        char text[1024];

        if (*fd > 0)
                return *fd;
        put_config(text, sizeof(text), cell, change);
        BENCH_NEED(config_parse("bench", text, strlen(text), NULL, NULL, &config) == 0);
        BENCH_NEED(config_to_memfd(config, fd) == 0);
        return *fd;
}

/* ---- the supervisor ---- */

void stage_configure(struct stage *stage, enum bench_change change)
{
        int fd = config_fd(&stage->cell, change);

        (void)message_send_config(
                stage->control, &(struct message_config){.version = MESSAGE_VERSION}, &fd, 1);
        stage_run(stage);
}

void stage_drain(struct stage *stage)
{
        (void)message_send_drain(stage->control,
                &(struct message_drain){.deadline_usec = now_usec() + 1000 * USEC_PER_SEC}, NULL, 0);
        stage_run(stage);
}

void stage_token_failed(struct stage *stage)
{
        stage->failed = true;
        (void)message_send_token(stage->control,
                &(struct message_token){
                        .token = "hsm", .state = TOKEN_FAILED, .reason = "bench", .end = WORKER_END_PIN},
                NULL, 0);
        stage_run(stage);
}

/* A newcomer takes over. */
static void on_serving(struct stage *stage, const struct message_serving *serving)
{
        struct fake_worker before = stage->home;

        if (stage->next.fd >= 0 && serving->life == stage->next.life) {
                stage->home = stage->next;
                stage->next = before;
                (void)message_send_take_over(stage->control,
                        &(struct message_take_over){.token = serving->token, .life = serving->life}, NULL, 0);
        }
        (void)message_send_token(stage->control,
                &(struct message_token){.token = serving->token, .state = TOKEN_READY, .reason = ""}, NULL,
                0);
}

/* What the broker tells it. */
static bool supervise(struct stage *stage)
{
        uint8_t buffer[8192];
        struct wire wire = {.data = buffer};
        struct message_unit_please please;
        struct message_serving serving;
        struct message_replace replace;
        bool any = false;

        while (channel_receive_plain(stage->control, buffer, sizeof(buffer), &wire.size) == 0) {
                any = true;
                switch (message_type(&wire)) {
                case MESSAGE_TYPE_DRAINED:
                        stage->drained = true;
                        break;
                case MESSAGE_TYPE_SERVING:
                        if (message_get_serving(&wire, &serving) == 0)
                                on_serving(stage, &serving);
                        break;
                case MESSAGE_TYPE_REPLACE:
                        if (message_get_replace(&wire, &replace) == 0 && replace.life == stage->next.life)
                                worker_end(stage, &stage->next);
                        break;
                case MESSAGE_TYPE_UNIT_PLEASE:
                        if (message_get_unit_please(&wire, &please) == 0)
                                (void)message_send_unit(stage->control,
                                        &(struct message_unit){.ticket = please.ticket, .unit = ""}, NULL, 0);
                        break;
                default:
                        break;
                }
                wire = (struct wire){.data = buffer};
        }
        return any;
}

/* ---- the loop and time ---- */

static void run_broker(struct stage *stage)
{
        int r;

        if (stage->ended)
                return;
        do
                r = sd_event_run(stage->broker.loop.event, 0);
        while (r > 0 && sd_event_get_state(stage->broker.loop.event) != SD_EVENT_FINISHED);
        stage->ended = r < 0 || sd_event_get_state(stage->broker.loop.event) == SD_EVENT_FINISHED;
}

void stage_run(struct stage *stage)
{
        unsigned n = 0;
        bool any;

        do {
                run_broker(stage);
                any = supervise(stage);
                any |= worker_receive(stage, &stage->home);
                any |= worker_receive(stage, &stage->fast);
                any |= worker_receive(stage, &stage->next);
                any |= fake_audit_serve(stage);
                any |= client_read(stage, &stage->a);
                any |= client_read(stage, &stage->b);
                any |= client_read(stage, &stage->c);
        } while (any && ++n < TICKS_MAX);
        BENCH_CHECK(stage, n < TICKS_MAX);
}

void stage_next(struct stage *stage)
{
        struct loop *loop = &stage->broker.loop;

        if (loop->timer_usec == USEC_NEVER || stage->ended)
                return;
        bench_now = MAX_OF(bench_now, loop->timer_usec);
        loop_tick(loop);
        loop_settle(loop);
        stage_run(stage);
}

void stage_advance(struct stage *stage, uint64_t until_usec)
{
        unsigned n = 0;

        while (stage->broker.loop.timer_usec <= until_usec && !stage->ended && n++ < TICKS_MAX)
                stage_next(stage);
        BENCH_CHECK(stage, n < TICKS_MAX);
        bench_now = MAX_OF(bench_now, until_usec);
        stage_run(stage);
}

/* ---- its life ---- */

static int open_broker(struct stage *stage)
{
        int fds[2], r;

        BENCH_NEED(channel_pair(fds) == 0);
        stage->control = fds[1];
        (void)fcntl(stage->control, F_SETFL, O_NONBLOCK);
        r = broker_init(&stage->broker, fds[0]);
        if (r == 0)
                r = control_start(&stage->broker);
        /* The filter is this process's to keep out of. */
        stage->broker.sealed = true;
        return r;
}

int stage_open(struct stage *stage, const struct bench_cell *cell)
{
        int r;

        /* All but what clients said. */
        memset(stage, 0, offsetof(struct stage, a));
        stage->cell = *cell;
        stage->a.fd = stage->b.fd = stage->c.fd = -1;
        stage->home = (struct fake_worker){.token = "hsm",
                .fd = -1,
                .threads = cell->where == AT_TURN ? 2 : 1,
                .copies = cell->where != AT_LOADING};
        stage->fast = (struct fake_worker){
                .token = "fast", .fd = -1, .threads = 1, .accelerator = true, .loads = true};
        stage->next = stage->home;
        stage->next.loads = true;
        stage->home.loads = cell->where != AT_WAITING;
        stage->token.has_key = stage->token.has_secret = true;
        stage->audit.fd = stage->audit.journal = -1;
        bench_now = __real_now_usec() + AHEAD_USEC;
        r = open_broker(stage);
        stage->ended = r < 0;
        if (r < 0)
                return r;
        /* A journal was connected before; the channel to tokend-audit is the file's that is configured. */
        fake_audit_start(stage, true);
        stage_configure(stage, CHANGE_NONE);
        fake_audit_start(stage, false);
        worker_start(stage, &stage->home);
        if (cell->accel != ACCEL_NONE)
                worker_start(stage, &stage->fast);
        client_open(stage, &stage->a);
        client_open(stage, &stage->b);
        client_open(stage, &stage->c);
        return 0;
}

static void check_token(struct stage *stage, struct token *token)
{
        BENCH_CHECK(stage, token->queue.n == 0);
        BENCH_CHECK(stage, token_queued(token) == 0);
        BENCH_CHECK(stage, link_is_empty(&token->held));
        BENCH_CHECK(stage, token->n_suspects == 0);
        for (size_t i = 0; i < ARRAY_SIZE(token->workers); i++) {
                BENCH_CHECK(stage, token->workers[i].n_out == 0);
                for (size_t j = 0; j < ARRAY_SIZE(token->workers[i].slots); j++)
                        BENCH_CHECK(stage, !token->workers[i].slots[j].op);
        }
        BENCH_CHECK(stage, !token->loading_key);
}

static void check_counters(struct stage *stage)
{
        struct broker *broker = &stage->broker;

        BENCH_CHECK(stage, link_is_empty(&broker->connections));
        BENCH_CHECK(stage, link_is_empty(&broker->dirty));
        BENCH_CHECK(stage, link_is_empty(&broker->units));
        BENCH_CHECK(stage, broker->n_strangers == 0);
        BENCH_CHECK(stage, link_is_empty(&broker->accounts.list));
        BENCH_CHECK(stage, broker->accounts.bytes == 0);
        BENCH_CHECK(stage, broker->keys.n_connections == 0);
        LINK_FOREACH(at, &broker->tokens)
        {
                check_token(stage, LINK_OF(at, struct token, link));
        }
        LINK_FOREACH(at, &broker->instances)
        {
                const struct instance *instance = LINK_OF(at, struct instance, link);

                BENCH_CHECK(stage, instance->refs == 0);
                BENCH_CHECK(stage, instance->n_connections == 0);
                BENCH_CHECK(stage, registry_queued(broker, instance) == 0);
        }
        BENCH_CHECK(stage, link_is_empty(&broker->audit->items));
        BENCH_CHECK(stage, broker->audit->n_bytes == 0);
}

static void close_fd(int *fd)
{
        closep(fd);
        *fd = -1;
}

void stage_close(struct stage *stage)
{
        struct op *op = TAKE_PTR(stage->op);

        client_close(&stage->a);
        client_close(&stage->b);
        client_close(&stage->c);
        if (!stage->ended) {
                stage_run(stage);
                BENCH_CHECK(stage, !op || op->refs == 1);
        }
        op_unref(op);
        if (!stage->ended)
                check_counters(stage);
        control_stop(&stage->broker);
        broker_done(&stage->broker);
        close_fd(&stage->control);
        close_fd(&stage->home.fd);
        close_fd(&stage->next.fd);
        close_fd(&stage->fast.fd);
        close_fd(&stage->audit.fd);
        close_fd(&stage->audit.journal);
        bench_now = 0;
}
