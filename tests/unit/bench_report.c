/* SPDX-License-Identifier: MPL-2.0 */
/* See bench.h: names of cells, and what was wrong with them. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/unit/bench.h"

/* Faults that are printed. */
#define SHOWN 40U

static unsigned n_faults;
static const struct bench_cell *current;

static const char *const whats[N_WHAT] = {[DO_SIGN] = "Sign",
        [DO_DECRYPT] = "Decrypt",
        [DO_DERIVE] = "Derive",
        [DO_VERIFY] = "Verify",
        [DO_GENERATE] = "Generate",
        [DO_DELETE] = "Delete",
        [DO_IMPORT] = "Import",
        [DO_REPLACE] = "Import in the place of another",
        [DO_RENAME] = "Rename",
        [DO_LIST] = "List",
        [DO_RANDOM] = "Random",
        [DO_SEAL] = "Secrets.Generate, sealed",
        [DO_STORE] = "Secrets.Generate",
        [DO_DISCARD] = "Secrets.Delete",
        [DO_UNWRAP] = "Secrets.Unwrap",
        [DO_WRAP] = "Secrets.Wrap",
        [DO_AGREE] = "Secrets.Derive",
        [DO_ENCRYPT] = "Secrets.Encrypt",
        [DO_DECIPHER] = "Secrets.Decrypt",
        [DO_SIGN_SEALED] = "Secrets.Sign"};
static const char *const wheres[] = {"new", "waiting", "held", "queued", "loading", "first", "paused", "out",
        "queued at the accelerator", "out at the accelerator", "unsettled", "settling",
        "its record is waited for", "its turn is waited for", "unread"};
static const char *const events[] = {"nothing", "the client closes", "oneway", "oneway, the client closes",
        "the deadline passes", "the worker answers late", "reload", "the instance is renamed",
        "the instance is renamed twice", "the instance is removed", "the token is removed",
        "the accelerator is removed", "Audit=none", "the token's section changes", "a newcomer takes over",
        "a newcomer dies", "the worker that a newcomer follows dies", "the worker dies", "the device is lost",
        "the worker sends nonsense", "the token fails", "drain", "records are withheld", "the head is signed",
        "the audit dies", "the audit is gone"};
static const char *const records[] = {
        "no audit", "file", "file required", "file not kept", "journal", "journal required"};
static const char *const accels[] = {"", ", accelerator", ", accelerator that dies"};

const char *bench_name(const struct bench_cell *cell, char ret[static 192])
{
        snprintf(ret, 192, "%s, %s: %s%s%s%s; %s%s", whats[cell->what], wheres[cell->where],
                events[cell->event], cell->done ? ", after it was done" : "", cell->then ? ", then " : "",
                cell->then ? events[cell->then] : "", records[cell->records], accels[cell->accel]);
        return ret;
}

void bench_fault(struct stage *stage, const char *format, ...)
{
        char name[192];
        va_list args;

        stage->n_faults++;
        if (++n_faults > SHOWN)
                return;
        printf("\n%s: ", bench_name(&stage->cell, name));
        if (stage->n_short > 0)
                printf("allocation %lu fails%s: ", stage->n_short,
                        stage->all_short ? " and all behind it" : "");
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
}

/* Called by AddressSanitizer before it reports. */
void __asan_on_error(void);
void __asan_on_error(void)
{
        char name[192];

        if (current)
                printf("\n%s\n", bench_name(current, name));
        fflush(stdout);
}

void bench_begin(const struct bench_cell *cell)
{
        current = cell;
}

unsigned bench_n_faults(void)
{
        return n_faults;
}

/* ---- the log ---- */

extern void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

void bench_quiet(bool quiet)
{
        static int saved = -1;

        if (quiet && saved < 0 && !getenv("TOKEND_DEBUG")) {
                int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

                saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
                if (__sanitizer_set_report_fd)
                        __sanitizer_set_report_fd((void *)(intptr_t)saved);
                (void)dup2(null, STDERR_FILENO);
                close(null);
        } else if (!quiet && saved >= 0) {
                (void)dup2(saved, STDERR_FILENO);
                if (__sanitizer_set_report_fd)
                        __sanitizer_set_report_fd((void *)(intptr_t)STDERR_FILENO);
                close(saved);
                saved = -1;
        }
}
