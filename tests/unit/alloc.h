/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Allocations that fail, for every unit-test program: alloc.c takes the place of malloc() and its kin for the program and for the
 * libraries that it links, and hands on to those of libc or of the sanitizer. Everything counts for the calling thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now on (1: the next) fails with ENOMEM, and the count - 1 behind it. n 0: none fails any more. */
void alloc_fail(unsigned long n, unsigned long count);

/* Allocations of least to most bytes fail, all of them; most 0: none any more. Those of realloc() do not count. */
void alloc_fail_sizes(size_t least, size_t most);

/* Whether an allocation has failed since the last alloc_fail() with an n. */
bool alloc_has_failed(void);

/* What this thread has allocated and not freed, from its start. It says something only as a difference, and only where no other
 * thread frees what this one allocated. */
long alloc_live(void);

/*
 * Calls work(userdata) again and again. In the first call the first allocation fails, in the next the second, and so on until a
 * call makes no further one. Then the same, with all that follow failing as well. Before both, it is called with none failing.
 *
 * work() makes its own objects, and frees them. It returns 0 where all went well and it has checked the result, else the error.
 * A failure of the test: an error other than `expected`, an error where nothing failed, something left allocated. Each is told
 * with the number of the allocation, so that a debugger can stop there: `break alloc_refuse`.
 */
void alloc_fail_each(int (*work)(void *userdata), void *userdata, int expected);
