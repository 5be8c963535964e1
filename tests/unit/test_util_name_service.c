/* SPDX-License-Identifier: MPL-2.0 */
/* daemon/util/name-service.c: names are looked up, and what they are looked up in may die. */
#include "daemon/util/name-service.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/suite.h"

static void test_names(void)
{
        uint32_t uid = 77;
        uint32_t gid = 77;

        CU_ASSERT_EQUAL(name_service_number(NAME_USER, "root", &uid), 0);
        CU_ASSERT_EQUAL(uid, 0);
        CU_ASSERT_EQUAL(name_service_number(NAME_GROUP, "root", &gid), 0);
        CU_ASSERT_EQUAL(gid, 0);
        uid = gid = 77;
        CU_ASSERT_EQUAL(name_service_number(NAME_USER, "no such user", &uid), -ENOENT);
        CU_ASSERT_EQUAL(name_service_number(NAME_GROUP, "", &gid), -ENOENT);
        CU_ASSERT_EQUAL(uid, 77);
        CU_ASSERT_EQUAL(gid, 77);
        /* Nothing is left of the children. */
        CU_ASSERT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void test_descriptors(void)
{
        struct rlimit before, few;
        uint32_t uid;

        CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &before), 0);
        few = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
        CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &few), 0);
        CU_ASSERT_EQUAL(name_service_number(NAME_USER, "root", &uid), -EMFILE);
        CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &before), 0);
}

SUITE(util_name_service, {"users and groups have numbers, or there are none", test_names},
        {"where nothing can be asked, it is not said that there is none", test_descriptors});
