/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend-audit: keeps the audit file (Audit=file:PATH). Started by the supervisor alone, with the broker's
 * channel as descriptor 3 and its own as 4. It loads nothing, listens to nobody else, and knows no PIN and no
 * key.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/audit/audit-loop.h"
#include "daemon/sandbox/close-off.h"
#include "daemon/sandbox/filter.h"
#include "daemon/util/log.h"

enum {
        BROKER_FD = 3,
        CONTROL_FD = 4
};

static int is_channel(int fd)
{
        int type = 0;
        socklen_t size = sizeof(type);

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
               fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* Neither does a broker that was taken over, and runs as the same user, reach into this process, nor has this one, if it is taken
 * over in turn, more than the calls that it makes. */
static int harden(void)
{
        int r = close_off();

        return r < 0 ? r : filter_enter(&filter_audit);
}

int main(void)
{
        /* This process ends when its control closes, after all others; a signal to the whole group must not end it sooner.
         * A file that may not grow (SIGXFSZ) is an error of write(2). */
        static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ};
        int r;

        if (!is_channel(BROKER_FD) || !is_channel(CONTROL_FD)) {
                (void)fprintf(stderr, "tokend-audit: descriptors 3 and 4 are not our channels: only tokend "
                                      "starts this program\n");
                return 2;
        }
        for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
                (void)signal(ignored[i], SIG_IGN);
        log_open("tokend-audit");
        r = harden();
        if (r < 0) {
                log_error("audit: cannot shut itself off from other processes: %s", strerror(-r));
                return 1;
        }
        return audit_loop_run(BROKER_FD, CONTROL_FD);
}
