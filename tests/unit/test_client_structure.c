/* SPDX-License-Identifier: MPL-2.0 */
/* Structures of programs of other versions, and lists of structures. */
#include <string.h>

#include "client/internal.h"
#include "tests/unit/suite.h"

struct known {
        size_t struct_size;
        const char *name;
        int64_t added;
};

struct later {
        struct known known;
        int64_t latest;
};

static struct tokend_failure failure;

static enum tokend_error take(struct known *ret, const void *given)
{
        memset(ret, 0xee, sizeof(*ret));
        memset(&failure, 0xee, sizeof(failure));
        return structure_take(ret, sizeof(*ret), given, "known", &failure);
}

static void test_older(void)
{
        const struct known given = {offsetof(struct known, added), "a", 7};
        struct known taken;

        CU_ASSERT_EQUAL(take(&taken, &given), TOKEND_OK);
        CU_ASSERT_STRING_EQUAL(taken.name, "a");
        CU_ASSERT_EQUAL(taken.added, 0);
}

static void test_same(void)
{
        const struct known given = {sizeof(given), "a", 7};
        struct known taken;

        CU_ASSERT_EQUAL(take(&taken, &given), TOKEND_OK);
        CU_ASSERT_EQUAL(taken.added, 7);
}

static void test_newer(void)
{
        struct later given = {{sizeof(given), "a", 7}, 0};
        struct known taken;

        CU_ASSERT_EQUAL(take(&taken, &given), TOKEND_OK);
        CU_ASSERT_EQUAL(taken.added, 7);
        given.latest = 1;
        CU_ASSERT_EQUAL(take(&taken, &given), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(failure.text, "older library"));
}

static void test_no_size(void)
{
        struct known given = {.name = "a"}, taken;

        CU_ASSERT_EQUAL(take(&taken, &given), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_PTR_NOT_NULL(strstr(failure.text, "sizeof(struct known)"));
        given.struct_size = SIZE_MAX;
        CU_ASSERT_EQUAL(take(&taken, &given), TOKEND_INVALID_ARGUMENT);
        CU_ASSERT_EQUAL(take(&taken, NULL), TOKEND_INVALID_ARGUMENT);
}

static void test_list(void)
{
        struct known **list = structures_new(2, sizeof(struct known));

        CU_ASSERT_PTR_NOT_NULL_FATAL(list);
        CU_ASSERT_PTR_NULL(list[2]);
        list[1]->added = 7;
        CU_ASSERT_EQUAL(list[0]->added, 0);
        free(list);
        CU_ASSERT_PTR_NULL(structures_new(SIZE_MAX / 4, sizeof(struct known)));
}

SUITE(client_structure, {"what an older program does not have is 0", test_older},
        {"a program of this version is read whole", test_same},
        {"a newer program may set only what this library knows", test_newer},
        {"a size that was not set is refused", test_no_size},
        {"a list is pointers to structures, in one block", test_list});
