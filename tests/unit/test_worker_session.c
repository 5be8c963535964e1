/* SPDX-License-Identifier: MPL-2.0 */
/* When the monitor takes a call for one that hangs. */
#include "daemon/worker/device/session.h"

#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/suite.h"

#define SHORT_USEC USEC_PER_SEC
#define LONG_USEC  (3600 * USEC_PER_SEC)
#define NOW_USEC   (7200 * USEC_PER_SEC)

static void test_limit(void)
{
        struct session session = {0};
        uint64_t limit = 0;

        atomic_store(&session.call_limit_usec, SHORT_USEC);
        CU_ASSERT_EQUAL(session_overdue(&session, NOW_USEC, &limit), SHORT_USEC / 4);
        atomic_store(&session.call_since_usec, NOW_USEC - 1);
        CU_ASSERT_EQUAL(session_overdue(&session, NOW_USEC, &limit), SHORT_USEC - 1);
        atomic_store(&session.call_since_usec, NOW_USEC + 1);
        CU_ASSERT_EQUAL(session_overdue(&session, NOW_USEC, &limit), SHORT_USEC + 1);
        atomic_store(&session.call_since_usec, NOW_USEC - SHORT_USEC);
        CU_ASSERT_EQUAL(session_overdue(&session, NOW_USEC, &limit), 0);
        CU_ASSERT_EQUAL(limit, SHORT_USEC);
}

/* ---- a generate that returns while the monitor looks: exactly when it touches a page ---- */

static struct session *session;
static uint8_t *pages;
static size_t page_size;

static void on_touch(int signal, siginfo_t *info, void *context)
{
        if (mprotect(pages, 2 * page_size, PROT_READ | PROT_WRITE) < 0)
                _exit(EXIT_FAILURE);
        atomic_store(&session->call_since_usec, 0);
        atomic_store(&session->call_limit_usec, SHORT_USEC);
}

/* Whether it looked hung. */
static bool is_hung(uint8_t *touched)
{
        uint64_t limit;

        CU_ASSERT_EQUAL_FATAL(mprotect(pages, 2 * page_size, PROT_READ | PROT_WRITE), 0);
        atomic_store(&session->call_limit_usec, LONG_USEC);
        atomic_store(&session->call_since_usec, NOW_USEC - 2 * SHORT_USEC);
        CU_ASSERT_EQUAL_FATAL(mprotect(touched, page_size, PROT_NONE), 0);
        return session_overdue(session, NOW_USEC, &limit) == 0;
}

static void test_returns_meanwhile(void)
{
        struct sigaction action = {.sa_sigaction = on_touch, .sa_flags = SA_SIGINFO}, before;

        page_size = (size_t)sysconf(_SC_PAGESIZE);
        pages = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CU_ASSERT_PTR_NOT_EQUAL_FATAL(pages, MAP_FAILED);
        /* One page ends with when the call began, the next begins with its limit. */
        session = (struct session *)(pages + page_size - offsetof(struct session, call_limit_usec));
        CU_ASSERT_TRUE_FATAL(
                offsetof(struct session, call_since_usec) < offsetof(struct session, call_limit_usec));
        CU_ASSERT_EQUAL_FATAL(sigaction(SIGSEGV, &action, &before), 0);
        CU_ASSERT_FALSE(is_hung(pages));
        CU_ASSERT_FALSE(is_hung(pages + page_size));
        CU_ASSERT_EQUAL(sigaction(SIGSEGV, &before, NULL), 0);
        munmap(pages, 2 * page_size);
}

SUITE(worker_session, {"a call hangs when its limit is over", test_limit},
        {"a generate that took its time does not look hung as it returns", test_returns_meanwhile});
