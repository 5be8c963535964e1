/* SPDX-License-Identifier: MPL-2.0 */
/*
 * What the supervisor may not ask of the kernel. All programs that it starts inherit its filter, and a vendor's module calls what it
 * likes. So this list has only what no key service needs, and each call in it fails with an error that a program can handle.
 */
#include <sched.h>

#include "daemon/sandbox/compile/rules.h"

#define WITHOUT_NAMESPACE(flag) DENY_IF(clone, HAS(0, flag, flag))

static const struct rule supervisor[] = {
        /* The memory and the descriptors of another process. */
        DENY(ptrace),
        DENY(process_vm_readv),
        DENY(process_vm_writev),
        DENY(process_madvise),
        DENY(pidfd_getfd),
        DENY(kcmp),
        DENY(perf_event_open),
        DENY(userfaultfd),
        /* Calls that no filter would see. */
        DENY(io_uring_setup),
        DENY(io_uring_enter),
        DENY(io_uring_register),
        /* Another view of the system. clone3(2) has its flags in memory; a libc that is told that there is none takes clone(2). */
        {.call = SCMP_SYS(clone3), .action = SCMP_ACT_ERRNO(ENOSYS)},
        WITHOUT_NAMESPACE(CLONE_NEWUSER),
        WITHOUT_NAMESPACE(CLONE_NEWNS),
        WITHOUT_NAMESPACE(CLONE_NEWPID),
        WITHOUT_NAMESPACE(CLONE_NEWNET),
        WITHOUT_NAMESPACE(CLONE_NEWIPC),
        WITHOUT_NAMESPACE(CLONE_NEWUTS),
        WITHOUT_NAMESPACE(CLONE_NEWCGROUP),
        DENY(unshare),
        DENY(setns),
        DENY(chroot),
        DENY(pivot_root),
        DENY(mount),
        DENY(umount2),
        DENY(open_tree),
        DENY(move_mount),
        DENY(fsopen),
        DENY(fsconfig),
        DENY(fsmount),
        DENY(fspick),
        DENY(mount_setattr),
        DENY(open_by_handle_at),
        DENY(fanotify_init),
        /* The kernel itself. */
        DENY(bpf),
        DENY(init_module),
        DENY(finit_module),
        DENY(delete_module),
        DENY(kexec_load),
        DENY(kexec_file_load),
        DENY(reboot),
        DENY(swapon),
        DENY(swapoff),
        DENY(acct),
        DENY(quotactl),
        DENY(quotactl_fd),
        DENY(syslog),
        DENY(settimeofday),
        DENY(clock_settime),
        DENY(clock_adjtime),
        DENY(adjtimex),
};

const struct rules rules_supervisor = {supervisor, ARRAY_SIZE(supervisor)};
