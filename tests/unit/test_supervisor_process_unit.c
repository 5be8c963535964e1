/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/supervisor/unit: what /proc says, and that a process which has ended is nobody. */
#include "daemon/supervisor/process-unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/suite.h"

static uint64_t boot_usec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000U;
}

static void test_start(void)
{
        static const char stat[] =
                "42 (a) b (c)) S 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 100";
        uint64_t usec = 0;

        CU_ASSERT_EQUAL(process_unit_start_usec(stat, 100, &usec), 0);
        CU_ASSERT_EQUAL(usec, UINT64_C(123450000));
        CU_ASSERT_EQUAL(process_unit_start_usec("42 (a) S 1 2 3", 100, &usec), -EBADMSG);
        CU_ASSERT_EQUAL(process_unit_start_usec("", 100, &usec), -EBADMSG);
        CU_ASSERT_EQUAL(process_unit_start_usec(stat, 0, &usec), -EBADMSG);
}

static void test_fdinfo(void)
{
        pid_t pid = 0;

        CU_ASSERT_EQUAL(
                process_unit_fdinfo_pid("pos:\t0\nflags:\t02000002\nPid:\t4711\nNSpid:\t4711\n", &pid), 0);
        CU_ASSERT_EQUAL(pid, 4711);
        CU_ASSERT_EQUAL(process_unit_fdinfo_pid("pos:\t0\nPid:\t-1\nNSpid:\t-1\n", &pid), -ESRCH);
        CU_ASSERT_EQUAL(process_unit_fdinfo_pid("pos:\t0\nPid:\t0\n", &pid), -ESRCH);
        CU_ASSERT_EQUAL(process_unit_fdinfo_pid("pos:\t0\nNSpid:\t7\n", &pid), -EBADMSG);
}

/* A child that has ended, and is a zombie until the caller reaps it. */
static pid_t ended_child(void)
{
        siginfo_t info;
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        CU_ASSERT_EQUAL_FATAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        return pid;
}

static void test_ended(void)
{
        pid_t pid = ended_child();
        int pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
        char *unit = NULL;

        CU_ASSERT_TRUE_FATAL(pidfd >= 0);
        CU_ASSERT_EQUAL(process_unit_find(pidfd, pid, boot_usec(), &unit), -ESRCH);
        CU_ASSERT_EQUAL(process_unit_find(-1, pid, boot_usec(), &unit), -ESRCH);
        (void)waitpid(pid, NULL, 0);
        /* Its number is nobody's, or another's by now. */
        CU_ASSERT_EQUAL(process_unit_find(pidfd, pid, boot_usec(), &unit), -ESRCH);
        CU_ASSERT_EQUAL(process_unit_find(pidfd, getpid(), boot_usec(), &unit), -ESRCH);
        close(pidfd);
        CU_ASSERT_PTR_NULL(unit);
}

static void test_younger(void)
{
        char *unit = NULL;

        /* We started after the machine did: whoever connected before that was not us. */
        CU_ASSERT_EQUAL(process_unit_find(-1, getpid(), 1, &unit), -ESRCH);
        CU_ASSERT_EQUAL(process_unit_find(-1, 0, boot_usec(), &unit), -ESRCH);
        CU_ASSERT_PTR_NULL(unit);
}

static void test_same(void)
{
        int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0U);
        char *by_fd = NULL, *by_number = NULL;
        int r, r_number;

        CU_ASSERT_TRUE_FATAL(pidfd >= 0);
        r = process_unit_find(pidfd, getpid(), 0, &by_fd);
        r_number = process_unit_find(-1, getpid(), boot_usec(), &by_number);
        CU_ASSERT_EQUAL(r, r_number);
        if (r == 0 && r_number == 0)
                CU_ASSERT_STRING_EQUAL(by_fd, by_number);
        close(pidfd);
        free(by_fd);
        free(by_number);
}

SUITE(supervisor_unit, {"when a process started, whatever its name", test_start},
        {"whose a pidfd is", test_fdinfo}, {"a process that has ended is in no unit", test_ended},
        {"a process that started after the connection is not the caller", test_younger},
        {"by handle and by number the answer is the same", test_same});
