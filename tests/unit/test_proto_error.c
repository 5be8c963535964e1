/* SPDX-License-Identifier: MPL-2.0 */
/* proto/error.c, and the interface files as they are built in: every error has a name, a sentence and a
 * declaration. */
#include "proto/error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/interface.h"
#include "proto/remedy.h"
#include "tests/unit/suite.h"

static const char *description_of(const char *name)
{
        for (size_t i = 0; i < n_proto_interfaces; i++)
                if (strcmp(proto_interfaces[i].name, name) == 0)
                        return proto_interfaces[i].description;
        return "";
}

static void test_round_trip(void)
{
        for (int i = PROTO_OK + 1; i < PROTO_ERROR_MAX_; i++) {
                char name[128];

                snprintf(name, sizeof(name), "io.tokend.Anything.%s", proto_error_name((enum proto_error)i));
                CU_ASSERT_EQUAL(proto_error_from_name(name), (enum proto_error)i);
                CU_ASSERT_TRUE(strlen(proto_error_sentence((enum proto_error)i)) > 10);
                CU_ASSERT_TRUE(
                        i == PROTO_PERMISSION_DENIED || remedy_find(proto_error_name((enum proto_error)i)));
        }
}

static bool is_declared(const char *interface, enum proto_error error)
{
        char declaration[128];

        snprintf(declaration, sizeof(declaration), "\nerror %s (", proto_error_name(error));
        return strstr(description_of(interface), declaration) != NULL;
}

static void test_declared(void)
{
        for (int i = PROTO_OK + 1; i < PROTO_ERROR_MAX_; i++) {
                enum proto_error error = (enum proto_error)i;

                if (proto_error_is_service(error)) {
                        CU_ASSERT_TRUE(is_declared("org.varlink.service", error));
                } else {
                        CU_ASSERT_TRUE(is_declared("io.tokend.Keys", error) ||
                                       is_declared("io.tokend.Certificates", error) ||
                                       is_declared("io.tokend.Secrets", error) ||
                                       is_declared("io.tokend.Status", error));
                }
                /* What a method on a key or a token can end with, one on a certificate can. */
                if (i <= PROTO_WORKER_LOST) {
                        CU_ASSERT_TRUE(is_declared("io.tokend.Keys", error));
                        CU_ASSERT_TRUE(is_declared("io.tokend.Certificates", error));
                }
        }
}

static void test_unknown(void)
{
        CU_ASSERT_EQUAL(proto_error_from_name("io.tokend.Keys.Nothing"), PROTO_OK);
        CU_ASSERT_EQUAL(proto_error_from_name("KeyNotFound"), PROTO_OK);
        CU_ASSERT_EQUAL(proto_error_from_name("io.tokend.Keys.KeyNotFoundX"), PROTO_OK);
        CU_ASSERT_EQUAL(proto_error_from_name("io.tokend.Keys."), PROTO_OK);
        CU_ASSERT_EQUAL(proto_error_from_name(""), PROTO_OK);
        CU_ASSERT_STRING_EQUAL(proto_error_name(PROTO_ERROR_MAX_), "Ok");
        CU_ASSERT_STRING_EQUAL(proto_error_name((enum proto_error) - 1), "Ok");
}

static void test_interfaces(void)
{
        CU_ASSERT_STRING_EQUAL(proto_interfaces[0].name, "org.varlink.service");
        for (size_t i = 0; i < n_proto_interfaces; i++) {
                char line[128];

                snprintf(line, sizeof(line), "\ninterface %s\n", proto_interfaces[i].name);
                CU_ASSERT_PTR_NOT_NULL(strstr(proto_interfaces[i].description, line));
        }
}

SUITE(proto_error, {"every error is found by its name in whatever interface", test_round_trip},
        {"every error is declared by its interface", test_declared},
        {"a name that is none is no error of ours", test_unknown},
        {"the interface files are built in, org.varlink.service first", test_interfaces});
