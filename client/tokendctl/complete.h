/* SPDX-License-Identifier: MPL-2.0 */
/*
 * `complete -- WORD...`: what the last word may become, one a line, for the completion of the shells (client/tokendctl/completion). It is
 * none of the verbs, and prints nothing where files may stand, or where it does not know. The daemon is asked for tokens and names,
 * for a second at most, and only where it runs.
 */
#pragma once

#include "client/tokendctl/tokendctl.h"

/* The words are the arguments of o. Returns EXIT_DONE. */
int complete(const struct ctl_options *o);
