/* SPDX-License-Identifier: MPL-2.0 */
/* Where our other programs are. Thread-safe. */
#pragma once

#include "daemon/util/macros.h"

/* The path of one of our programs: beside this one, else in LIBEXECDIR. -ENOMEM. The caller frees. */
int program_path(const char *name, char **ret);
