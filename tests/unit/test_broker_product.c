/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Every state of a request, by everything that can happen to it, by what is recorded, by the accelerator: for each such cell
 * exactly one reply of a right name (or none where nobody waits), records that are true, and nothing left behind.
 */
#include <stdio.h>

#include "tests/unit/bench.h"
#include "tests/unit/suite.h"

static void test_product(void)
{
        unsigned n = 0, n_run = 0, before = bench_n_faults();

        bench_quiet(true);
        for (unsigned i = 0; i < BENCH_CELLS; i++) {
                struct bench_cell cell = bench_cell_of(i);

                if (bench_absent(&cell) || n++ % BENCH_SHARE != 0)
                        continue;
                n_run++;
                cell_run(&cell, bench_right_names(&cell));
        }
        bench_quiet(false);
        printf("\n%u cells of %u; the others are not there, and bench_absent() says why", n_run, BENCH_CELLS);
        CU_ASSERT_EQUAL(bench_n_faults(), before);
}

/* Whether that may happen behind the cell's event. */
static bool may_follow(const struct bench_cell *cell, enum bench_event then)
{
        struct bench_cell other = *cell;

        other.event = then;
        return then != EV_ONEWAY && then != EV_CANCEL && !bench_event_absent(&other);
}

/* Two things happen: one in so many of all these, each time the same ones; of another share with BENCH_STRIDE=. Nothing is asked of
 * the reply's name. */
#define STRIDE (97U * BENCH_SHARE)

static void test_pairs(void)
{
        unsigned n = 0, n_run = 0, before = bench_n_faults();
        unsigned stride =
                getenv("BENCH_STRIDE") ? (unsigned)strtoul(getenv("BENCH_STRIDE"), NULL, 10) : STRIDE;

        bench_quiet(true);
        for (unsigned i = 0; i < BENCH_CELLS; i++) {
                struct bench_cell cell = bench_cell_of(i);

                if (bench_absent(&cell))
                        continue;
                for (unsigned then = EV_NOTHING + 1; then < N_EVENT; then++) {
                        if (!may_follow(&cell, then) || n++ % stride != 0)
                                continue;
                        n_run++;
                        cell.then = then;
                        cell_run(&cell, bench_right_names(&cell) ? BENCH_ANY : 0);
                }
        }
        bench_quiet(false);
        printf("\n%u pairs of %u", n_run, n);
        CU_ASSERT_EQUAL(bench_n_faults(), before);
}

SUITE(broker_product, {"every state of a request, and everything that can happen to it", test_product},
        {"two things happen to it, one after the other", test_pairs});
