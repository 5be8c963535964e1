/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the broker may ask of the kernel after GO. A call that no list names fails with EPERM: a call that a new libc makes then
 * fails by itself, and the service goes on. tests/integration/test_filter.py fails where the broker makes one.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "daemon/sandbox/compile/rules.h"

/* The same on every architecture that has it; the headers of Linux 6.1 do not. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static const struct rule broker[] = {
        /* The event loop and its timer. Which of these calls it is depends on the libsystemd and on the architecture. */
        ALLOW(epoll_wait),
        ALLOW(epoll_pwait),
        ALLOW(epoll_pwait2),
        ALLOW(epoll_ctl),
        ALLOW(timerfd_settime),
        ALLOW(read),
        ALLOW(accept4),
        /* Descriptors come from the supervisor alone, and go to it alone. So a client cannot give the broker one that is good for
         * more, and a message of the broker goes to no address: that of a sendmsg(2) lies in memory, which no filter sees, but the
         * socket of the control is connected and takes none. */
        ALLOW_IF(recvmsg, IS(0, BROKER_CONTROL_FD)),
        ALLOW_IF(sendmsg, IS(0, BROKER_CONTROL_FD)),
        /* The configuration, in a memfd. */
        ALLOW(pread64),
        ALLOW_IF(fcntl, IS(1, F_GET_SEALS)),
        /* Without F_SETOWN, F_SETSIG and O_ASYNC: with them the kernel sends any signal to any process of this user. */
        ALLOW_IF(fcntl, IS(1, F_SETFL), IS(2, O_NONBLOCK)),
        ALLOW_IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_PEERCRED)),
        ALLOW_IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_PEERGROUPS)),
        ALLOW_IF(getsockopt, IS(1, SOL_SOCKET), IS(2, SO_PEERPIDFD)),
        /* What journald has not read yet. */
        ALLOW_IF(ioctl, IS(1, TIOCOUTQ)),
        /* It opens no file at all. */
        KILL(open),
        KILL(openat),
        KILL(openat2),
        KILL(creat),
};

const struct rules rules_broker = {broker, ARRAY_SIZE(broker)};
