/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What to do next about each error, and about each word that says more of one. The one table of it: libtokend puts it into the failure,
 * tokendctl prints it (`tokendctl help errors` prints all), tokendctl(1) and the catalog of the journal repeat it, and tests compare
 * them. Pure, thread-safe; all strings are static.
 */
#pragma once

#include <stddef.h>

struct remedy {
        const char *
                word; /* the name of an error without its interface, of libtokend's own too; or a word in its `reason` or `cause` */
        const char *sentence; /* what it means; NULL: proto_error_sentence() says it, or the library does */
        const char *next;     /* what to do, in one or two sentences */
};

/* NULL: there is none of this word. */
const struct remedy *remedy_find(const char *word);

/* All of them, in the order in which they are shown. */
extern const struct remedy remedies[];
extern const size_t n_remedies;
