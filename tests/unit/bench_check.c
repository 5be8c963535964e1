/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: what must be so at the end of a cell, whatever happened in it. */
#include <string.h>

#include "tests/unit/alloc.h"
#include "tests/unit/bench.h"

static const char *name_of(enum proto_error error)
{
        return error == PROTO_OK ? "ok" : proto_error_name(error);
}

static bool is_unaudited(const struct bench_cell *cell)
{
        return cell->event == EV_UNAUDITED || cell->then == EV_UNAUDITED;
}

static void check_reply(struct stage *stage, uint32_t right)
{
        const struct fake_client *client = &stage->a;
        size_t before = cell_n_before(&stage->cell);

        if (client->fd < 0)
                return;
        if (right == 0 ? client->n > before : client->n > before + 1)
                bench_fault(stage, "%zu replies, and not %zu", client->n, before + (right != 0));
        /* Where memory is short the connection may be closed, or the broker ends. */
        if (right == 0 || (stage->was_short && client->n <= before && (client->closed || stage->ended)))
                return;
        if (client->n != before + 1) {
                bench_fault(stage, "%zu replies, and not %zu", client->n, before + 1);
                return;
        }
        if (!(right & BENCH_NAME(client->replies[before].error)))
                bench_fault(stage, "the reply is %s", name_of(client->replies[before].error));
        if (client->replies[before].error == PROTO_OK)
                BENCH_CHECK(stage, stage->token.n_done > 0 || stage->cell.what == DO_LIST);
        if (client->replies[before].error == PROTO_DEADLINE_EXCEEDED && !client->replies[before].executed)
                BENCH_CHECK(stage, stage->token.n_sent == stage->token.n_claimed);
}

/* The records of the cell's request: it has one end at most, and one if it has begun; and what they say is true. */
static void check_records(struct stage *stage)
{
        const struct fake_audit *audit = &stage->audit;
        unsigned n_begun = 0, n_ends = 0, n_replaced = 0;
        const char *end = "";

        if (!stage->op || stage->op->number == 0 || is_unaudited(&stage->cell))
                return;
        for (size_t i = 0; i < audit->n; i++) {
                const struct fake_record *record = &audit->list[i];

                if (record->request != stage->op->number)
                        continue;
                if (stage->cell.what == DO_REPLACE && strcmp(record->kind, "delete") == 0)
                        n_replaced++;
                else if (strcmp(record->result, "begun") != 0) {
                        n_ends++;
                        end = record->result;
                } else
                        n_begun += strcmp(record->kind, "repeat") != 0;
        }
        /* A record for which there was no memory is lost, and counted. */
        if (n_ends > 1 || n_begun > 1 || (n_ends < n_begun && !stage->was_short))
                bench_fault(stage, "%u records that it begins, and %u of its end", n_begun, n_ends);
        if (n_ends == 0)
                return;
        /* What went has a record of its own, where there was memory for it. */
        if (n_replaced > (stage->token.has_renewed ? 1U : 0U) ||
                (n_replaced == 0 && stage->cell.what == DO_REPLACE && strcmp(end, "ok") == 0 &&
                        !stage->was_short))
                bench_fault(stage, "%u records of what went", n_replaced);
        if (strcmp(end, "ok") == 0 && stage->token.n_done == 0)
                bench_fault(stage, "recorded as done, and was not");
        if (stage->token.n_done > 0 &&
                (!strcmp(end, "PermissionDenied") || !strcmp(end, "dropped") ||
                        (what_changes(stage->cell.what) && !strcmp(end, "AuditUnavailable"))))
                bench_fault(stage, "recorded as %s, and was done", end);
}

/* What was answered is what was recorded, but where the reply was withheld, or what was done ended behind its deadline. */
static void check_recorded(struct stage *stage)
{
        const struct fake_audit *audit = &stage->audit;
        size_t before = cell_n_before(&stage->cell);
        enum proto_error error;

        if (!stage->op || stage->op->number == 0 || stage->a.n != before + 1 || is_unaudited(&stage->cell) ||
                stage->was_short)
                return;
        error = stage->a.replies[before].error;
        if (error == PROTO_AUDIT_UNAVAILABLE || error == PROTO_DEADLINE_EXCEEDED ||
                error == PROTO_OUTCOME_UNKNOWN)
                return;
        for (size_t i = 0; i < audit->n; i++)
                if (audit->list[i].request == stage->op->number &&
                        !strcmp(audit->list[i].result, name_of(error)))
                        return;
        bench_fault(stage, "the reply is %s, and nothing of the kind is recorded", name_of(error));
}

/* A oneway call that came whole is done, whether or not its client stays; but where its worker died over it, or nothing could be
 * recorded. */
static void check_oneway(struct stage *stage)
{
        const struct bench_cell *cell = &stage->cell;

        if ((cell->event != EV_ONEWAY && cell->event != EV_CANCEL) || cell->then || stage->was_short ||
                cell->what == DO_LIST || cell->where == AT_UNSETTLED || cell->where == AT_SETTLING ||
                cell->records == REC_UNSAFE)
                return;
        BENCH_CHECK(stage, stage->token.n_done > 0);
}

static void check_connection(struct stage *stage)
{
        const struct connection *c = client_connection(stage, &stage->a);

        if (!c || stage->ended)
                return;
        BENCH_CHECK(stage, c->client.n_ops == 0);
        BENCH_CHECK(stage, c->client.n_bytes == 0);
        BENCH_CHECK(stage, connection_is_idle(c));
}

/* From its beginning to where everything has come to rest. */
static void play(struct stage *stage)
{
        const struct bench_cell *cell = &stage->cell;

        cell_reach(stage);
        if (!cell_is_reached(stage) && !alloc_has_failed())
                bench_fault(stage, "the state is not reached");
        if (cell->records == REC_UNSAFE && stage->audit.keeping == KEEPS)
                stage->audit.keeping = REFUSES;
        cell_strike(stage, cell->event);
        if (cell->then)
                cell_strike(stage, cell->then);
        if (cell->accel == ACCEL_DIES)
                worker_kill(stage, &stage->fast);
        cell_wind_down(stage);
}

static void check_all(struct stage *stage, uint32_t right)
{
        const struct bench_cell *cell = &stage->cell;

        BENCH_CHECK(stage, stage->ended || cell_is_over(stage));
        BENCH_CHECK(
                stage, stage->ended || (cell->event == EV_DRAIN || cell->then == EV_DRAIN) == stage->drained);
        BENCH_CHECK(stage, !what_changes(cell->what) || stage->token.n_done <= 1);
        BENCH_CHECK(stage, stage->ended || stage->audit.n_signed >= stage->audit.n_asked);
        check_reply(stage, right);
        check_records(stage);
        check_recorded(stage);
        check_oneway(stage);
        check_connection(stage);
}

/* n 0: nothing fails. Whether an allocation failed. */
static bool run(const struct bench_cell *cell, uint32_t right, unsigned long n, unsigned long count)
{
        static struct stage stage;
        static bool warm; /* what the libraries make once is there */
        long before = alloc_live();
        bool hit = false;

        bench_begin(cell);
        if (stage_open(&stage, cell) == 0) {
                stage.n_short = n;
                stage.all_short = count > 1;
                alloc_fail(n, count);
                play(&stage);
                hit = n > 0 && alloc_has_failed();
                alloc_fail(0, 0);
                stage.was_short = hit;
                /* What had no memory goes on with it. */
                if (hit)
                        cell_wind_down(&stage);
                check_all(&stage, right);
        } else
                bench_fault(&stage, "the broker does not start");
        stage_close(&stage);
        if (alloc_live() != before && warm)
                bench_fault(&stage, "%ld allocations are left", alloc_live() - before);
        warm = true;
        bench_begin(NULL);
        return hit;
}

void cell_run(const struct bench_cell *cell, uint32_t right)
{
        (void)run(cell, right, 0, 1);
}

bool cell_run_short(const struct bench_cell *cell, uint32_t right, unsigned long n, unsigned long count)
{
        return run(cell, right, n, count);
}
