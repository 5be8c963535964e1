/* SPDX-License-Identifier: MPL-2.0 */
/*
 * tokend-broker: everything that a client sees. Started by the supervisor with descriptor 3, the control,
 * over which everything else comes. It ends when the control does. All it does is in the other files.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "daemon/broker/broker.h"
#include "daemon/broker/control.h"
#include "daemon/broker/sandbox.h"
#include "daemon/util/journal.h"
#include "daemon/util/log.h"

#define CONTROL_FD 3

int main(int argc, char *argv[])
{
        struct broker broker;
        int r;

        log_open("tokend-broker");
        log_open_journal(JOURNAL_SOCKET);
        if (fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0) {
                log_error("descriptor 3 is not there: tokend starts this program, nobody else does");
                return 1;
        }
        /* What a terminal or the service manager sends to all processes is for the supervisor to act on. */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        signal(SIGPIPE, SIG_IGN);
        r = sandbox_close_off();
        if (r < 0) {
                log_error("cannot shut itself off from files and other processes: %s", strerror(-r));
                return 1;
        }
        r = broker_init(&broker, CONTROL_FD);
        if (r == 0)
                r = control_start(&broker);
        if (r == 0)
                r = sd_event_loop(broker.loop.event);
        if (r < 0)
                log_error("ends: %s", strerror(-r));
        control_stop(&broker);
        broker_done(&broker);
        return r < 0 ? 1 : r;
}
