/* SPDX-License-Identifier: MPL-2.0 */
/*
 * Runs every suite that registered itself, or what the arguments name: SUITE or SUITE.TEST, where TEST is a function's name.
 * Prints what failed, of a single name each test, and the closing line `N passed, N failed`. With --list it prints names and sentences, and runs nothing.
 */
#include <CUnit/Basic.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

static struct suite *suites;

void suite_register(struct suite *suite)
{
        suite->next = suites;
        suites = suite;
}

/* The name of the next test's function in the text of SUITE()'s rows, {"sentence", function}, …: what stands before the brace
 * that closes a row. */
static const char *next_name(const char **rows, size_t *length)
{
        bool quoted = false;
        const char *p, *end;

        for (p = *rows; *p && (quoted || *p != '}'); p++) {
                if (*p == '"')
                        quoted = !quoted;
                else if (*p == '\\' && p[1])
                        p++;
        }
        *rows = *p ? p + 1 : p;
        for (end = p; isspace((unsigned char)end[-1]);)
                end--;
        for (p = end; isalnum((unsigned char)p[-1]) || p[-1] == '_';)
                p--;
        *length = (size_t)(end - p);
        return p;
}

static bool is_wanted(const struct suite *suite, const char *test, size_t length, char **names)
{
        size_t n = strlen(suite->name);

        for (char **name = names; *name; name++)
                if (!strncmp(*name, suite->name, n) &&
                        (!(*name)[n] || ((*name)[n] == '.' && strlen(*name + n + 1) == length &&
                                                !memcmp(*name + n + 1, test, length))))
                        return true;
        return !*names;
}

/* Keeps the tests of the suite that are wanted, and lists them where that is asked for. Returns their number. */
static unsigned keep(struct suite *suite, char **names, bool list)
{
        const char *rows = suite->rows;
        unsigned n_kept = 0;

        for (CU_TestInfo *test = suite->tests; test->pName; test++) {
                size_t length;
                const char *name = next_name(&rows, &length);

                if (!is_wanted(suite, name, length, names))
                        continue;
                if (list)
                        printf("%s.%.*s: %s\n", suite->name, (int)length, name, test->pName);
                suite->tests[n_kept++] = *test;
        }
        suite->tests[n_kept] = (CU_TestInfo)CU_TEST_INFO_NULL;
        return n_kept;
}

int main(int argc, char **argv)
{
        bool list = argc > 1 && !strcmp(argv[1], "--list");
        char **names = argv + (argc > 0) + list;
        unsigned failed, run, n_kept = 0;

        if (CU_initialize_registry() != CUE_SUCCESS)
                return 1;
        for (struct suite *suite = suites; suite; suite = suite->next) {
                CU_SuiteInfo infos[] = {
                        {suite->name, NULL, NULL, NULL, NULL, suite->tests}, CU_SUITE_INFO_NULL};
                unsigned n = keep(suite, names, list);

                n_kept += n;
                if (n && CU_register_suites(infos) != CUE_SUCCESS)
                        return 1;
        }
        if (list) {
                CU_cleanup_registry();
                return !n_kept;
        }
        if (!n_kept)
                printf("no test has such a name; --list prints all names\n");
        CU_basic_set_mode(names[0] && !names[1] ? CU_BRM_VERBOSE : CU_BRM_SILENT);
        CU_basic_run_tests();
        CU_basic_show_failures(CU_get_failure_list());
        run = CU_get_number_of_tests_run();
        failed = CU_get_number_of_tests_failed();
        CU_cleanup_registry();
        printf("\n%u passed, %u failed\n", run - failed, failed);
        return failed || !run;
}
