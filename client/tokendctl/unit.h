/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What systemd says of the service behind a socket. Where tokend.socket or tokend-status.socket holds it, a connection would start a
 * stopped service, and wait without end for one that does not come up: so systemd is asked first.
 */
#pragma once

#include "client/tokendctl/tokendctl.h"

/* Whether the socket at this path, which may be that of the unit `socket`, can be asked. 0: yes, or systemd does not know it; 1: the service behind it does not run, and
 * *ret_failure (CannotConnect) says in which state it is and why. Takes two seconds at most. */
int unit_check(const char *path, const char *socket, struct tokend_failure *ret_failure);
