/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: one request is brought into a state, something happens, and everything comes to its end. */
#include <string.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/model/registry.h"
#include "daemon/broker/token/worker.h"
#include "tests/unit/bench.h"

/* How far time may go until everything must have ended. */
#define LONGEST_USEC (700 * USEC_PER_SEC)
/* Turns of what workers do until then: without memory one after the other is replaced. */
#define ROUNDS_MAX 300U
/* Replies of LIMIT_RANDOM bytes that fill what a connection keeps of them, and what its socket takes. */
#define N_FLOOD 14U

/* ---- into its state ---- */

static bool is_oneway(const struct bench_cell *cell)
{
        return cell->event == EV_ONEWAY || cell->event == EV_CANCEL;
}

static void send_ours(struct stage *stage)
{
        struct connection *c;

        stage->watching = true;
        client_call(stage, &stage->a, call_of(stage->cell.what, is_oneway(&stage->cell)));
        c = client_connection(stage, &stage->a);
        if (c && !link_is_empty(&c->client.ops))
                stage->op = op_ref(LINK_OF(c->client.ops.prev, struct op, in_client));
}

/* A Sign with the key makes the broker load a copy of it. */
static void load_copy(struct stage *stage)
{
        if (stage->cell.accel == ACCEL_NONE || !stage->home.loads || !stage->home.copies)
                return;
        client_call(stage, &stage->b, call_of(DO_SIGN, false));
        (void)worker_answer_all(stage, &stage->home);
}

static bool has_ours(const struct fake_worker *worker)
{
        return worker->n_out > 0 && worker->out[worker_ours(worker)].ours;
}

/* What an accelerator tries is to be with its own token. */
static void send_home(struct stage *stage)
{
        if (!has_ours(&stage->fast))
                return;
        if (stage->cell.accel == ACCEL_DIES)
                worker_kill(stage, &stage->fast);
        else {
                worker_answer(stage, &stage->fast, worker_ours(&stage->fast), ANSWER_REFUSED);
                stage_run(stage);
        }
}

static void answer_ours(struct stage *stage, enum fake_answer answer)
{
        struct fake_worker *worker = has_ours(&stage->fast) ? &stage->fast : &stage->home;

        if (has_ours(worker))
                worker_answer(stage, worker, worker_ours(worker), answer);
        stage_run(stage);
}

static void die_over_ours(struct stage *stage)
{
        if (stage->cell.done)
                worker_do(stage, &stage->home);
        worker_kill(stage, &stage->home);
}

static void fill_output(struct stage *stage)
{
        stage->a.deaf = true;
        for (unsigned i = 0; i < N_FLOOD; i++)
                client_call(stage, &stage->a, call_random(LIMIT_RANDOM));
        send_ours(stage);
        while (worker_answer_all(stage, &stage->home) + worker_answer_all(stage, &stage->fast) > 0)
                ;
}

static void reach_done(struct stage *stage)
{
        switch (stage->cell.where) {
        case AT_RECORD:
                send_ours(stage);
                stage->audit.keeping = WITHHOLDS;
                answer_ours(stage, ANSWER_OK);
                break;
        case AT_TURN:
                client_call(stage, &stage->a, call_sign());
                send_ours(stage);
                answer_ours(stage, ANSWER_OK);
                break;
        default:
                fill_output(stage);
                break;
        }
}

static void reach_waiting(struct stage *stage)
{
        switch (stage->cell.where) {
        case AT_NEW:
                client_call(stage, &stage->a, call_sign());
                break;
        case AT_HELD:
                stage->audit.keeping = WITHHOLDS;
                break;
        case AT_QUEUED:
                client_call(stage, &stage->b, call_sign());
                break;
        case AT_ACCEL_QUEUED:
                client_call(stage, &stage->c, call_random(17));
                break;
        default:
                break;
        }
        send_ours(stage);
        if (stage->cell.where == AT_QUEUED)
                send_home(stage);
}

void cell_reach(struct stage *stage)
{
        enum bench_where where = stage->cell.where;

        load_copy(stage);
        if (where >= AT_RECORD) {
                reach_done(stage);
                return;
        }
        if (where == AT_NEW || where == AT_WAITING || where == AT_HELD || where == AT_QUEUED ||
                where == AT_LOADING || where == AT_ACCEL_QUEUED || where == AT_ACCEL_OUT) {
                reach_waiting(stage);
                return;
        }
        send_ours(stage);
        send_home(stage);
        if (where == AT_PAUSED)
                answer_ours(stage, ANSWER_CLAIMED);
        else if (where != AT_OUT)
                die_over_ours(stage);
        if (where == AT_SETTLING)
                worker_start(stage, &stage->home);
}

/* Whether it is where it should be. */
bool cell_is_reached(const struct stage *stage)
{
        static const enum op_state states[] = {
                [AT_NEW] = OP_NEW,
                [AT_WAITING] = OP_WAITING,
                [AT_HELD] = OP_HELD,
                [AT_QUEUED] = OP_QUEUED,
                [AT_LOADING] = OP_QUEUED,
                [AT_FIRST] = OP_FIRST,
                [AT_PAUSED] = OP_PAUSED,
                [AT_OUT] = OP_OUT,
                [AT_ACCEL_QUEUED] = OP_QUEUED,
                [AT_ACCEL_OUT] = OP_OUT,
                [AT_UNSETTLED] = OP_UNSETTLED,
                [AT_SETTLING] = OP_SETTLING,
                [AT_RECORD] = OP_ENDED,
                [AT_TURN] = OP_ENDED,
                [AT_UNREAD] = OP_ENDED,
        };
        const struct op *op = stage->op;
        enum bench_where where = stage->cell.where;
        bool tried = where == AT_ACCEL_OUT || where == AT_ACCEL_QUEUED;

        return op && op->state == states[where] && op->client && op_is_tried(op) == tried &&
               (where != AT_FIRST || op->suspect) &&
               (op->record != NULL) == (where == AT_RECORD || where == AT_HELD);
}

/* ---- what happens ---- */

/* The worker that the event is about. Where there is none over the request, the next one is. */
static struct fake_worker *struck(struct stage *stage)
{
        struct fake_worker *home = &stage->home;

        if (stage->cell.where == AT_ACCEL_OUT || stage->cell.where == AT_ACCEL_QUEUED)
                return &stage->fast;
        if (home->fd >= 0)
                return home;
        /* One that dies while it tells what there is; the suspect is sent to one that serves. */
        home->loads = stage->cell.where == AT_FIRST;
        worker_start(stage, home);
        home->loads = true;
        return home;
}

static void strike_worker(struct stage *stage, enum bench_event event)
{
        struct fake_worker *worker = struck(stage);

        worker->loads = true;
        if (stage->cell.done)
                worker_do(stage, worker);
        if (event == EV_DEVICE_LOST && worker->n_out > 0)
                worker_answer(stage, worker, worker_ours(worker), ANSWER_DEVICE_LOST);
        if (event == EV_NONSENSE)
                worker_rave(worker);
        else
                worker_kill(stage, worker);
        stage_run(stage);
}

/* As RETIRE says it; the supervisor ends the worker when REPLACE asks for that. */
static void strike_section(struct stage *stage)
{
        struct token *token = registry_token(&stage->broker, stage->home.token);

        stage->home.loads = true;
        if (token && stage->home.fd < 0)
                worker_start(stage, &stage->home);
        stage_run(stage);
        if (token && token->worker->phase != WORKER_NONE)
                worker_replace(token->worker, "its section changed", true);
        stage_run(stage);
        (void)worker_answer_all(stage, &stage->home);
        worker_kill(stage, &stage->home);
}

static void strike_newcomer(struct stage *stage, enum bench_event event)
{
        uint64_t old = stage->home.life;

        worker_end(stage, &stage->next);
        stage->next.loads = event != EV_NEWCOMER_DIES;
        worker_start(stage, &stage->next);
        if (event == EV_NEWCOMER_DIES)
                worker_kill(stage, &stage->next);
        if (event != EV_OLD_DIES)
                return;
        if (stage->cell.done)
                worker_do(stage, &stage->home);
        worker_kill(stage, stage->home.life == old ? &stage->home : &stage->next);
}

static void strike_time(struct stage *stage, enum bench_event event)
{
        uint64_t deadline = stage->op ? stage->op->deadline_usec : now_usec();

        stage_advance(stage, deadline + 1);
        if (event == EV_LATE)
                (void)(worker_answer_all(stage, &stage->fast) + worker_answer_all(stage, &stage->home));
        else {
                /* It was hung. */
                worker_kill(stage, &stage->fast);
                if (stage->cell.done)
                        worker_do(stage, &stage->home);
                worker_kill(stage, &stage->home);
        }
        stage->home.loads = true;
}

/* More than are recorded in full: the end of what has begun is, all the same. */
static void deny_many(struct stage *stage)
{
        for (unsigned i = 0; i <= LIMIT_DENIALS; i++)
                client_call(stage, &stage->b, call_random(17));
}

static void strike_configuration(struct stage *stage, enum bench_event event)
{
        static const enum bench_change changes[N_EVENT] = {
                [EV_RENAMES] = CHANGE_RENAMED,
                [EV_RENAMES_TWICE] = CHANGE_RENAMED,
                [EV_NO_INSTANCE] = CHANGE_NO_INSTANCE,
                [EV_NO_TOKEN] = CHANGE_NO_TOKEN,
                [EV_NO_ACCELERATOR] = CHANGE_NO_ACCELERATOR,
                [EV_UNAUDITED] = CHANGE_UNAUDITED,
        };

        if (event == EV_NO_TOKEN && stage->cell.done)
                worker_do(stage, &stage->home);
        stage_configure(stage, changes[event]);
        if (event == EV_NO_INSTANCE && stage->cell.where == AT_HELD)
                deny_many(stage);
        if (event == EV_RENAMES_TWICE)
                stage_configure(stage, CHANGE_RENAMED_AGAIN);
        stage->failed = event == EV_NO_TOKEN;
}

void cell_strike(struct stage *stage, enum bench_event event)
{
        switch (event) {
        case EV_CLOSES:
        case EV_CANCEL:
                client_close(&stage->a);
                stage_run(stage);
                break;
        case EV_DEADLINE:
        case EV_LATE:
                strike_time(stage, event);
                break;
        case EV_KEEPS:
        case EV_RENAMES:
        case EV_RENAMES_TWICE:
        case EV_NO_INSTANCE:
        case EV_NO_TOKEN:
        case EV_NO_ACCELERATOR:
        case EV_UNAUDITED:
                strike_configuration(stage, event);
                break;
        case EV_SECTION:
                strike_section(stage);
                break;
        case EV_NEWCOMER:
        case EV_NEWCOMER_DIES:
        case EV_OLD_DIES:
                strike_newcomer(stage, event);
                break;
        case EV_DIES:
        case EV_DEVICE_LOST:
        case EV_NONSENSE:
                strike_worker(stage, event);
                break;
        case EV_FAILS:
                stage_token_failed(stage);
                if (stage->cell.done)
                        worker_do(stage, &stage->home);
                worker_kill(stage, &stage->home);
                break;
        case EV_DRAIN:
                stage_drain(stage);
                break;
        case EV_WITHHELD:
                stage->audit.keeping = WITHHOLDS;
                break;
        case EV_HEAD:
                fake_audit_ask(stage);
                break;
        case EV_AUDIT_DIES:
        case EV_AUDIT_GONE:
                fake_audit_stop(stage);
                if (event == EV_AUDIT_DIES)
                        fake_audit_start(stage, false);
                else
                        /* Now it is known that nothing is kept. */
                        stage_advance(stage, now_usec() + 2 * USEC_PER_SEC);
                break;
        default:
                break;
        }
}

/* ---- to the end ---- */

bool cell_is_over(const struct stage *stage)
{
        const struct op *op = stage->op;

        /* What had not begun when its client went is just gone. */
        if (op && (op->refs > 1 || (op->state != OP_ENDED && (op->state != OP_NEW || op->client))))
                return false;
        LINK_FOREACH(at, (struct link *)(uintptr_t)&stage->broker.connections)
        {
                if (!connection_is_idle(LINK_OF(at, struct connection, link)))
                        return false;
        }
        return true;
}

static bool has_records(const struct stage *stage)
{
        if (!link_is_empty(&stage->broker.audit->items) && !stage->audit.absent)
                return true;
        LINK_FOREACH(at, (struct link *)(uintptr_t)&stage->broker.accounts.list)
        {
                if (LINK_OF(at, struct account, link)->n_unrecorded > 0)
                        return true;
        }
        return false;
}

void cell_wind_down(struct stage *stage)
{
        uint64_t until = now_usec() + LONGEST_USEC;
        unsigned n = 0;

        stage->a.deaf = false;
        stage->audit.keeping = stage->cell.records == REC_UNSAFE ? REFUSES : KEEPS;
        stage->home.loads = stage->home.copies = stage->next.loads = true;
        stage_run(stage);
        while (!stage->ended && now_usec() < until && n++ < ROUNDS_MAX) {
                bool any;

                if (stage->home.fd < 0 && !stage->failed)
                        worker_start(stage, &stage->home);
                if (stage->audit.fd < 0 && !stage->audit.absent)
                        fake_audit_start(stage, false);
                any = worker_answer_all(stage, &stage->home);
                any |= worker_answer_all(stage, &stage->fast);
                if (any)
                        continue;
                if (cell_is_over(stage))
                        break;
                stage_next(stage);
        }
        /* Those that are still to be recorded are. */
        while (!stage->ended && n++ < ROUNDS_MAX && has_records(stage))
                stage_next(stage);
        if (stage->audit.absent)
                fake_audit_start(stage, false);
        stage->audit.keeping = KEEPS;
        stage_run(stage);
}

size_t cell_n_before(const struct bench_cell *cell)
{
        switch (cell->where) {
        case AT_NEW:
        case AT_TURN:
                return 1;
        case AT_UNREAD:
                return N_FLOOD;
        default:
                return 0;
        }
}
