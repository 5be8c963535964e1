/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Small things that the language lacks: cleanup at the end of a scope, sizes of arrays, and the clock in one unit.
 *
 * The rule for errors, in every layer. A function that can fail returns an int:
 *   0          it is done; the outputs (ret_*, the last parameters) are set;
 *   negative   -errno, which is unexpected here; a caller that cannot handle it returns it unchanged;
 *   positive   a condition that the comment of the function documents, and that the caller handles.
 * Outputs are untouched unless 0 is returned. A function that handles an error logs it; one that returns it does not. The
 * sentence for an errno comes from strerror(), which is thread-safe in glibc.
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

/* unused: a variable may be there for its cleanup alone, of which clang warns. */
#define _cleanup_(function) __attribute__((cleanup(function), unused))
/* A caller that does not look at what comes back is an error. */
#define _must_check_        __attribute__((warn_unused_result))
#define _printf_(at, first) __attribute__((__format__(__printf__, at, first)))

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_NEVER    UINT64_MAX

/* Defines FUNCTIONp(), which _cleanup_ needs, for a function that frees a pointer. */
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

/* Returns the descriptor or the pointer and leaves -1 or NULL in its place: ownership moves to the caller. */
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

/* Microseconds of CLOCK_MONOTONIC, the clock of every deadline. Thread-safe. */
uint64_t now_usec(void);

/* Microseconds since 1970, for people and for the wire. Thread-safe. */
uint64_t wall_usec(void);
/* CLOCK_BOOTTIME, to compare with when a process started. */
uint64_t boottime_usec(void);
