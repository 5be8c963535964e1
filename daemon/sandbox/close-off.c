/* SPDX-License-Identifier: MPL-2.0 */
/* See close-off.h. */
#include "daemon/sandbox/close-off.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon/util/macros.h"

int close_off(void)
{
        const struct rlimit none = {0, 0};

        if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
                prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return 0;
}
