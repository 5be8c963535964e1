/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What systemd says of the service behind the status socket. Where tokend-status.socket holds that socket, a connection would start a
 * stopped service, and wait without end for one that does not come up: so systemd is asked first.
 */
#pragma once

#include "client/tokendctl/tokendctl.h"

/* Whether the socket at this path can be asked. 0: yes, or systemd does not know it; 1: the service behind it does not run, and
 * *ret_failure (CannotConnect) says in which state it is and why. Takes two seconds at most. */
int unit_check(const char *path, struct tokend_failure *ret_failure);
