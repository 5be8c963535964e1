/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the language lacks: cleanup on leaving a scope, sizes of arrays, and the clock in one unit.
 *
 * The rule for errors, in every layer of the daemon, is this. A function that can fail returns an int:
 *   0          done; the outputs (ret_*, last) are set;
 *   negative   -errno: unexpected here, forwarded unchanged by whoever cannot handle it;
 *   positive   a condition that this function's comment documents, handled by its caller.
 * Outputs are untouched unless 0 is returned. Whoever handles an error logs it; whoever forwards it does not. The sentence of an
 * errno is strerror()'s, which is thread-safe in glibc.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b)  ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b)  ((a) > (b) ? (a) : (b))

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(at, first) __attribute__((__format__(__printf__, at, first)))

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_NEVER    UINT64_MAX

/* Defines NAMEp(), the form that _cleanup_ wants, of a function that frees a pointer. */
#define DEFINE_CLEANUP(type, function)                                                                       \
        static inline void function##p(type *pointer)                                                        \
        {                                                                                                    \
                if (*pointer)                                                                                \
                        function(*pointer);                                                                  \
        }                                                                                                    \
        struct function##_needs_a_semicolon

static inline void freep(void *pointer)
{
        free(*(void **)pointer);
}

static inline void closep(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

/* Takes the value out of *fd or *pointer and leaves it empty: ownership moves to the caller. */
static inline int take_fd(int *fd)
{
        int taken = *fd;
        *fd = -1;
        return taken;
}
#define TAKE_PTR(p)                                                                                          \
        ({                                                                                                   \
                __typeof__(p) *place_ = &(p);                                                                \
                __typeof__(p) taken_ = *place_;                                                              \
                *place_ = NULL;                                                                              \
                taken_;                                                                                      \
        })

/* Microseconds of CLOCK_MONOTONIC. Every deadline is counted in them. Thread-safe. */
uint64_t now_usec(void);

/* Microseconds since 1970, for people and for the wire. Thread-safe. */
uint64_t wall_usec(void);
