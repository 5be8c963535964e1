/* SPDX-License-Identifier: MPL-2.0 */
/* The table of verbs. A verb names the options that it takes. `help` is none of them: it is about them. Pure. */
#pragma once

#include "client/tokendctl/tokendctl.h"

struct verb {
        const char *name;
        int (*run)(const struct ctl_options *o);
        unsigned min_arguments, max_arguments;
        uint64_t options; /* OPTION_BIT() of each, beside OPTIONS_COMMON */
        const char *synopsis, *help;
        const char *examples; /* lines, without the name of the program */
};

extern const struct verb verbs[];
extern const size_t n_verbs;

/* NULL: there is no verb of this name. */
const struct verb *verb_find(const char *name);

/* Complains that there is no such verb, with the one that was perhaps meant. Returns EXIT_USAGE. */
int verb_unknown(const char *name);
