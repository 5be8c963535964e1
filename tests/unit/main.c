/* SPDX-License-Identifier: MPL-2.0 */
/* Runs every suite that registered itself; prints what failed and the closing line `N passed, N failed`. */
#include <CUnit/Basic.h>
#include <stdio.h>

#include "tests/unit/suite.h"

static struct suite *suites;

void suite_register(struct suite *suite)
{
        suite->next = suites;
        suites = suite;
}

int main(void)
{
        unsigned failed, run;

        if (CU_initialize_registry() != CUE_SUCCESS)
                return 1;
        for (struct suite *suite = suites; suite; suite = suite->next) {
                CU_SuiteInfo infos[] = {
                        {suite->name, NULL, NULL, NULL, NULL, suite->tests}, CU_SUITE_INFO_NULL};

                if (CU_register_suites(infos) != CUE_SUCCESS)
                        return 1;
        }
        CU_basic_set_mode(CU_BRM_SILENT);
        CU_basic_run_tests();
        CU_basic_show_failures(CU_get_failure_list());
        run = CU_get_number_of_tests_run();
        failed = CU_get_number_of_tests_failed();
        CU_cleanup_registry();
        printf("\n%u passed, %u failed\n", run - failed, failed);
        return failed || !run;
}
