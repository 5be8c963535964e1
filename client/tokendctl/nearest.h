/* SPDX-License-Identifier: MPL-2.0 */
/* "Did you mean": which of some words comes nearest to one that is none of them. Pure. */
#pragma once

#include <stddef.h>

struct nearest {
        const char *word;  /* set by the caller */
        const char *found; /* NULL: none is near */
        size_t distance;
};

/* Takes a candidate into account, which must live as long as the struct is used. */
void nearest_consider(struct nearest *nearest, const char *candidate);
