/* SPDX-License-Identifier: MPL-2.0 */
/* See filter.h. */
#include "daemon/sandbox/filter.h"

#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>

#include "daemon/util/macros.h"

int filter_enter(const struct filter *filter)
{
        struct sock_filter code[BPF_MAXINSNS];
        const struct sock_fprog program = {.len = (unsigned short)filter->n, .filter = code};
        const __u32 pid = (__u32)getpid();

        if (filter->n > ARRAY_SIZE(code))
                return -E2BIG;
        memcpy(code, filter->code, filter->n * sizeof(code[0]));
        for (size_t i = 0; i < filter->n; i++)
                if (BPF_CLASS(code[i].code) == BPF_JMP && code[i].k == FILTER_OWN_PID)
                        code[i].k = pid;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0U, &program) < 0 ? -errno : 0;
}
