/* SPDX-License-Identifier: MPL-2.0 */
/* `help` and --help. Each returns an exit status. */
#pragma once

#include "client/tokendctl/verbs.h"

/* All verbs. */
int help_all(void);
/* One verb. */
int help_verb(const struct verb *verb);
/* `help [VERB | errors | algorithms]` */
int help(const struct ctl_options *o);
