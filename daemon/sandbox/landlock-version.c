/* SPDX-License-Identifier: MPL-2.0 */
/* See landlock.h. Alone in its file: a test puts a version of its own in its place when it is linked. */
#include <linux/landlock.h>
#include <sys/syscall.h>

#include "daemon/sandbox/landlock.h"
#include "daemon/util/macros.h"

int landlock_version(void)
{
        long n = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

        return n > 0 ? (int)n : 0;
}
