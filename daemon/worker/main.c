/* SPDX-License-Identifier: MPL-2.0 */
/* tokend-worker: the process of one token. Started by tokend, with descriptors 3 (requests), 4 (control) and 5 (the log).
 */
#include <fcntl.h>

#include "daemon/util/log.h"
#include "daemon/worker/monitor.h"
#include "daemon/worker/threads.h"

int main(void)
{
        /* Standard error is the module's, and may have no reader. A worker that somebody else started has no other log. */
        if (fcntl(LOG_FD, F_SETFD, FD_CLOEXEC) == 0)
                log_open_at("tokend-worker", LOG_FD);
        else
                log_open("tokend-worker");
        if (fcntl(REQUEST_FD, F_SETFD, FD_CLOEXEC) < 0 || fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0) {
                log_error("tokend-worker is started by tokend, with its channels as descriptors 3 and 4");
                return EXIT_FAILURE;
        }
        return monitor_run();
}
