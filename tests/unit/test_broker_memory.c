/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Memory is short: on the broker's stage the n-th allocation fails, or it and all behind it, for every n until none fails. A request
 * is answered by a name that is not wrong, or its connection is closed, or the broker ends in order; nothing is left behind.
 */
#include <limits.h>
#include <stdio.h>

#include "tests/unit/alloc.h"
#include "tests/unit/bench.h"
#include "tests/unit/suite.h"

/* Allocations of one cell, at most. */
#define N_MAX 5000U
/* One in so many of all cells, each time the same ones; of another share with BENCH_MEMORY_STRIDE=. */
#define STRIDE (199U * BENCH_SHARE)

/* What may be said beside the right name where memory is short: it was not done, or it is not known whether. */
static uint32_t short_names(const struct bench_cell *cell)
{
        uint32_t names = BENCH_NAME(PROTO_OVERLOADED) | BENCH_NAME(PROTO_TOKEN_UNAVAILABLE) |
                         BENCH_NAME(PROTO_WORKER_LOST) | BENCH_NAME(PROTO_DEADLINE_EXCEEDED) |
                         BENCH_NAME(PROTO_OUTCOME_UNKNOWN) | BENCH_NAME(PROTO_OK);

        if (records_are_required(cell->records))
                names |= BENCH_NAME(PROTO_AUDIT_UNAVAILABLE);
        /* The event may meet the request in another state. */
        if (cell->event == EV_DEVICE_LOST)
                names |= BENCH_NAME(PROTO_TOKEN_ERROR);
        if (cell->event == EV_NO_INSTANCE)
                names |= BENCH_NAME(PROTO_PERMISSION_DENIED);
        if (cell->event == EV_NO_TOKEN)
                names |= BENCH_NAME(PROTO_TOKEN_NOT_FOUND);
        return names;
}

/* For every n, count allocations fail from the n-th on. Returns how many times the cell was run. */
static unsigned run_short(const struct bench_cell *cell, unsigned long count)
{
        uint32_t right = cell->then ? BENCH_ANY : bench_right_names(cell);
        unsigned n = 1;

        if (right != 0)
                right |= short_names(cell);
        while (n < N_MAX && cell_run_short(cell, right, n, count))
                n++;
        CU_ASSERT(n > 1 && n < N_MAX);
        return n;
}

/* Each allocation fails alone, and then with all behind it. Returns how many times the cell was run. */
static unsigned run_all_short(const struct bench_cell *cell)
{
        /* What is made once is made. */
        cell_run(cell, cell->then ? BENCH_ANY : bench_right_names(cell));
        return run_short(cell, 1) + run_short(cell, ULONG_MAX);
}

static void test_memory(void)
{
        const char *text = getenv("BENCH_MEMORY_STRIDE");
        unsigned stride = text ? (unsigned)strtoul(text, NULL, 10) : STRIDE;
        unsigned n_cells = 0, n_run = 0, n = 0, before = bench_n_faults();

        bench_quiet(true);
        for (unsigned i = 0; i < BENCH_CELLS; i++) {
                struct bench_cell cell = bench_cell_of(i);

                if (bench_absent(&cell) || n++ % stride != 0)
                        continue;
                n_cells++;
                n_run += run_all_short(&cell);
        }
        /* A token comes with a reload. */
        n_run += run_all_short(&(struct bench_cell){.what = DO_SIGN,
                .where = AT_OUT,
                .event = EV_NO_TOKEN,
                .then = EV_KEEPS,
                .accel = ACCEL_THERE});
        bench_quiet(false);
        printf("\n%u cells of %u, %u times without memory", n_cells, n, n_run);
        CU_ASSERT_EQUAL(bench_n_faults(), before);
}

/* The broker starts, gets its configuration and its workers. Whether an allocation failed. */
static bool start_short(unsigned long n, unsigned long count)
{
        const struct bench_cell cell = {.records = REC_REQUIRED, .accel = ACCEL_THERE};
        static struct stage stage;
        long before = alloc_live();
        bool hit;

        alloc_fail(n, count);
        (void)stage_open(&stage, &cell);
        hit = alloc_has_failed();
        alloc_fail(0, 0);
        cell_wind_down(&stage);
        stage_close(&stage);
        if (alloc_live() != before)
                bench_fault(&stage, "start: %ld allocations are left", alloc_live() - before);
        return hit;
}

static void test_start(void)
{
        const unsigned long counts[] = {1, ULONG_MAX};
        unsigned before = bench_n_faults();

        bench_quiet(true);
        cell_run(&(struct bench_cell){.where = AT_OUT, .records = REC_REQUIRED, .accel = ACCEL_THERE},
                BENCH_NAME(PROTO_OK));
        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
                unsigned long n = 1;

                while (n < N_MAX && start_short(n, counts[i]))
                        n++;
                CU_ASSERT(n > 1 && n < N_MAX);
        }
        bench_quiet(false);
        CU_ASSERT_EQUAL(bench_n_faults(), before);
}

SUITE(broker_memory, {"memory is short when the broker starts", test_start},
        {"memory is short in any state of a request, whatever happens to it", test_memory});
