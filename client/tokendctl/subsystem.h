/* SPDX-License-Identifier: MPL-2.0 */
/* What a subsystem of a Certificate System puts on a token by default, and what it needs from the token. Pure. */
#pragma once

#include <stddef.h>

struct subsystem {
        const char *name; /* "ca" */
        /* Formats of nicknames with one %s for the instance; NULL at the end. A nickname that older releases wrote without the
         * suffix is followed by that form. */
        const char *const *nicknames;
        const char *const *mechanisms; /* NULL at the end */
};

/* NULL: there is no subsystem of this name. */
const struct subsystem *subsystem_find(const char *name);

/* "ca, kra, ..." for people. */
extern const char subsystem_names[];

/* The nicknames for an instance, in a new array of *ret_n new strings. The caller frees each string and the array. -ENOMEM. */
int subsystem_nicknames(const struct subsystem *subsystem, const char *instance, char ***ret, size_t *ret_n);
