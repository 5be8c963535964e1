/* SPDX-License-Identifier: MPL-2.0 */
/*
 * How a file of tests joins the one CUnit program: it ends with
 *
 *     SUITE(frame, {"a message that is too long is refused", test_too_long}, …)
 *
 * Names of tests are sentences. Use CU_ASSERT_* of <CUnit/CUnit.h>.
 */
#pragma once

#include <CUnit/CUnit.h>

struct suite {
        const char *name;
        CU_TestInfo *tests;
        const char *rows; /* the text of the tests, from which main.c takes the names of their functions */
        struct suite *next;
};

void suite_register(struct suite *suite);

#define SUITE(suite_name, ...)                                                                               \
        static CU_TestInfo suite_name##_tests[] = {__VA_ARGS__, CU_TEST_INFO_NULL};                          \
        static struct suite suite_name##_suite = {#suite_name, suite_name##_tests, #__VA_ARGS__, NULL};      \
        __attribute__((constructor)) static void suite_name##_register(void)                                 \
        {                                                                                                    \
                suite_register(&suite_name##_suite);                                                         \
        }                                                                                                    \
        struct suite_name##_needs_a_semicolon
