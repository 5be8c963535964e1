/* SPDX-License-Identifier: MPL-2.0 */
/* Whether this process, which runs as the service would, can have a file or a directory, and what mends it if not. */
#pragma once

#include "daemon/doctor/doctor.h"

/* what: "the token directory of SoftHSM2". want: R_OK, W_OK, X_OK as in access(2). optional: one that is not there is no fault. Adds a
 * finding if it cannot. Returns whether it can. */
bool reach(struct doctor *doctor, const char *token, const char *check, const char *what, const char *path,
        int want, bool optional);

/* What would mend that error for that path, or NULL. trusted: the configuration names the path; else a module does, and nothing is given
 * to it but a group of its maker's, a directory or a device. The caller frees. */
char *reach_remedy(const struct doctor *doctor, const char *path, int want, int error, bool trusted);
