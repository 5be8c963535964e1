/* SPDX-License-Identifier: MPL-2.0 */
/* See sandbox.h. The rules of the filter stand in daemon/sandbox/compile/broker-rules.c. */
#include "daemon/broker/sandbox.h"

#include "daemon/sandbox/close-off.h"
#include "daemon/sandbox/filter.h"
#include "daemon/sandbox/landlock.h"

int sandbox_close_off(void)
{
        int r = close_off();

        if (r == 0)
                r = landlock_nothing();
        /* The supervisor has said that there is none. */
        return r > 0 ? 0 : r;
}

int sandbox_enter(void)
{
        return filter_enter(&filter_broker);
}
