/* SPDX-License-Identifier: MPL-2.0 */
/* The two channels that the supervisor starts a worker with, by their descriptors. */
#pragma once

#define REQUEST_FD 3 /* to the broker; the monitor replaces it when there is a new broker */
#define CONTROL_FD 4 /* to the supervisor */
#define LOG_FD     5 /* of this process; 1 and 2 are the module's */
