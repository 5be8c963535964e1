/* SPDX-License-Identifier: MPL-2.0 */
/* What a subsystem of a Certificate System puts on a token by default, and what it needs of it. Pure. */
#pragma once

#include <stddef.h>

struct subsystem {
        const char *name; /* "ca" */
        /* Formats of nicknames with one %s, the instance; NULL at the end. Behind each the form without the suffix that
         * older releases used, where there is one. */
        const char *const *nicknames;
        const char *const *mechanisms; /* NULL at the end */
};

/* NULL where the name is none. */
const struct subsystem *subsystem_find(const char *name);

/* "ca, kra, ..." for people. */
extern const char subsystem_names[];

/* Its nicknames for an instance, in a new array of new strings, which the caller frees one by one. -1: no memory. */
int subsystem_nicknames(const struct subsystem *subsystem, const char *instance, char ***ret, size_t *ret_n);
