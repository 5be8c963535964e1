/* SPDX-License-Identifier: MPL-2.0 */
/* See histogram.h. The first 8 buckets are 1 us wide; from 2^3 us on each octave has eight. */
#include "daemon/broker/base/histogram.h"

static unsigned bucket_of(uint64_t usec)
{
        unsigned octave;

        if (usec < 8)
                return (unsigned)usec;
        if (usec >= UINT64_C(1) << HISTOGRAM_OCTAVES)
                return HISTOGRAM_BUCKETS - 1;
        octave = 63U - (unsigned)__builtin_clzll(usec);
        return (octave - 2U) * 8U + (unsigned)(usec >> (octave - 3U)) % 8U;
}

/* The longest duration that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
        unsigned octave = bucket / 8U + 2U;

        if (bucket < 8)
                return bucket;
        if (bucket == HISTOGRAM_BUCKETS - 1)
                return UINT64_C(1) << HISTOGRAM_OCTAVES;
        return ((UINT64_C(8) + bucket % 8U + 1U) << (octave - 3U)) - 1U;
}

void histogram_add(struct histogram *histogram, uint64_t usec)
{
        histogram->count++;
        histogram->sum_usec += usec;
        histogram->buckets[bucket_of(usec)]++;
}

uint64_t histogram_quantile(const struct histogram *histogram, unsigned permille)
{
        uint64_t rank = (histogram->count * permille + 999U) / 1000U, seen = 0;

        if (histogram->count == 0)
                return 0;
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
                seen += histogram->buckets[i];
                if (seen >= rank)
                        return bucket_end(i);
        }
        return bucket_end(HISTOGRAM_BUCKETS - 1);
}

uint64_t histogram_below(const struct histogram *histogram, uint64_t usec)
{
        uint64_t seen = 0;

        for (unsigned i = 0; i < bucket_of(usec); i++)
                seen += histogram->buckets[i];
        return seen;
}
