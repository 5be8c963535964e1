/* SPDX-License-Identifier: MPL-2.0 */
/* A histogram of durations with a fixed relative precision (an eighth), in 2 KiB, without a sample kept.
 * Pure. */
#pragma once

#include <stdint.h>

/* Eight buckets an octave; the last one holds everything from 2^30 us (18 minutes) on. */
#define HISTOGRAM_OCTAVES 30U
#define HISTOGRAM_BUCKETS ((HISTOGRAM_OCTAVES - 2U) * 8U + 1U)

struct histogram {
        uint64_t count, sum_usec;
        uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t usec);

/* The duration that permille of 1000 did not exceed, rounded up to its bucket's end; 0 while there is none.
 */
uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille);

/* How many were shorter than that: exact where it is 2^n or a sum of eighths of it, from 8 us to 2^30 us, since these are the borders
 * of buckets. */
uint64_t histogram_below(const struct histogram *histogram, uint64_t usec);
