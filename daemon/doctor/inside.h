/* SPDX-License-Identifier: MPL-2.0 */
/* The part that runs as the service's user: how it is started, in the unit's sandbox where that can be. */
#pragma once

#include "daemon/doctor/doctor.h"

/* Starts this program again for the checks of CHECK_INSIDE, and adds what they found. user: as whom outside of systemd, a name that exists; NULL: as
 * this process. */
void inside_run(struct doctor *doctor, const char *user);
