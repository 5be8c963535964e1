/* SPDX-License-Identifier: MPL-2.0 */
/* See nearest.h. The distance is the number of letters that are added, left out, changed, or swapped with their neighbour. */
#include "client/tokendctl/nearest.h"

#include <string.h>

#include "daemon/util/macros.h"

/* Longer words are not looked at. */
#define WORD_MAX 32U

static size_t distance(const char *a, const char *b)
{
        size_t rows[WORD_MAX + 1][WORD_MAX + 1], n = strlen(a), m = strlen(b);

        for (size_t i = 0; i <= n; i++)
                rows[i][0] = i;
        for (size_t j = 0; j <= m; j++)
                rows[0][j] = j;
        for (size_t i = 1; i <= n; i++)
                for (size_t j = 1; j <= m; j++) {
                        size_t best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

                        best = MIN_OF(best, MIN_OF(rows[i - 1][j], rows[i][j - 1]) + 1);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                best = MIN_OF(best, rows[i - 2][j - 2] + 1);
                        rows[i][j] = best;
                }
        return rows[n][m];
}

void nearest_consider(struct nearest *nearest, const char *candidate)
{
        size_t length = strlen(nearest->word), most = length / 3 + 1, n;

        if (length > WORD_MAX || strlen(candidate) > WORD_MAX)
                return;
        n = distance(nearest->word, candidate);
        /* A word of which nothing is left was not meant. */
        if (n > most || n >= strlen(candidate) || (nearest->found && n >= nearest->distance))
                return;
        nearest->found = candidate;
        nearest->distance = n;
}
