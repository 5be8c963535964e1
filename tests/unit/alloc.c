/* SPDX-License-Identifier: MPL-2.0 */
/* See alloc.h. */
#include <CUnit/CUnit.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/alloc.h"

enum {
        FAULTS_SHOWN = 10, /* of one workload */
        CALLS_MAX = 100000
};

/* A sanitizer's own functions bear these names, where there is a sanitizer that has its own. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
extern void *__interceptor_malloc(size_t) __attribute__((weak));
extern void *__interceptor_calloc(size_t, size_t) __attribute__((weak));
extern void *__interceptor_realloc(void *, size_t) __attribute__((weak));
extern void __interceptor_free(void *) __attribute__((weak));
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static _Thread_local unsigned long first, last, at; /* of those that fail; at: how many there were */
static _Thread_local size_t size_least, size_most;
static _Thread_local bool failed;
static _Thread_local long live;

void alloc_fail(unsigned long n, unsigned long count)
{
        first = n;
        last = !n ? 0 : count > ULONG_MAX - n ? ULONG_MAX : n + count - 1;
        at = 0;
        if (n)
                failed = false;
}

void alloc_fail_sizes(size_t least, size_t most)
{
        size_least = least;
        size_most = most;
}

bool alloc_has_failed(void)
{
        return failed;
}

long alloc_live(void)
{
        return live;
}

/* A function of its own, for a debugger to stop in. */
__attribute__((noinline)) static bool alloc_refuse(void)
{
        failed = true;
        errno = ENOMEM;
        return true;
}

static bool refused(void)
{
        return first && ++at >= first && at <= last && alloc_refuse();
}

static bool size_refused(size_t size)
{
        return size_most > 0 && size >= size_least && size <= size_most && alloc_refuse();
}

static void *counted(void *memory)
{
        live += !!memory;
        return memory;
}

/* The leak detector knows the memory of the dynamic linker by who asks for it, which is this file since it stands in malloc()'s place. */
const char *__lsan_default_suppressions(void); // NOLINT: the sanitizer's name

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void) // NOLINT
{
        return "leak:_dl_map_object\n"
               "leak:dl_open_worker\n";
}

/* ---- in the place of libc's ---- */

#define REPLACEMENT __attribute__((visibility("default")))

REPLACEMENT void *malloc(size_t size)
{
        if (refused() || size_refused(size))
                return NULL;
        return counted(__interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size));
}

REPLACEMENT void *calloc(size_t n, size_t size)
{
        if (refused() || size_refused(n * size))
                return NULL;
        return counted(__interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size));
}

REPLACEMENT void *realloc(void *memory, size_t size)
{
        void *moved;

        if ((size || !memory) && refused())
                return NULL;
        moved = __interceptor_realloc ? __interceptor_realloc(memory, size) : __libc_realloc(memory, size);
        live += !memory && moved ? 1 : memory && !size && !moved ? -1 : 0;
        return moved;
}

REPLACEMENT void *reallocarray(void *memory, size_t n, size_t size)
{
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(memory, bytes);
}

REPLACEMENT void free(void *memory)
{
        live -= !!memory;
        if (__interceptor_free)
                __interceptor_free(memory);
        else
                __libc_free(memory);
}

/* A sanitizer's strdup() would not come to our malloc(). */
REPLACEMENT char *strndup(const char *text, size_t size)
{
        size_t length = strnlen(text, size);
        char *copy = malloc(length + 1);

        if (!copy)
                return NULL;
        memcpy(copy, text, length);
        copy[length] = '\0';
        return copy;
}

REPLACEMENT char *strdup(const char *text)
{
        return strndup(text, SIZE_MAX);
}

/* ---- all of them ---- */

struct series {
        int (*work)(void *userdata);
        void *userdata;
        int expected;
        unsigned n_faults;
};

static void complain(
        struct series *series, unsigned long n, unsigned long count, const char *what, long value)
{
        if (++series->n_faults <= FAULTS_SHOWN)
                printf("\nallocation %lu fails%s: %s (%ld)", n, count > 1 ? " and all behind it" : "", what,
                        value);
}

/* One call of work(). false: no allocation was left to fail. */
static bool fails_once(struct series *series, unsigned long n, unsigned long count)
{
        long before = alloc_live();
        unsigned n_records = CU_get_number_of_failure_records();
        int r;
        bool hit;

        alloc_fail(n, count);
        r = series->work(series->userdata);
        hit = alloc_has_failed();
        alloc_fail(0, 0);
        if (r && !hit)
                complain(series, n, count, "an error, although no allocation failed", r);
        else if (r && r != series->expected)
                complain(series, n, count, "another error than the expected", r);
        /* CUnit keeps a record of each assertion that failed. */
        if (alloc_live() != before && CU_get_number_of_failure_records() == n_records)
                complain(series, n, count, "allocations are left", alloc_live() - before);
        return hit;
}

void alloc_fail_each(int (*work)(void *userdata), void *userdata, int expected)
{
        static const unsigned long counts[] = {1, ULONG_MAX};
        struct series series = {work, userdata, expected, 0};

        fails_once(&series, 0, 0);
        for (size_t i = 0; i < 2; i++) {
                unsigned long n = 1;

                while (n < CALLS_MAX && fails_once(&series, n, counts[i]))
                        n++;
                CU_ASSERT(n > 1 && n < CALLS_MAX);
        }
        CU_ASSERT_EQUAL(series.n_faults, 0);
}
