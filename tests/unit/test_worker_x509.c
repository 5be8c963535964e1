/* SPDX-License-Identifier: MPL-2.0 */
/* What a client may ask for as the subject and the DNS names of a certificate. */
#include "daemon/worker/encoding/x509.h"

#include "tests/unit/suite.h"

static bool is_taken(const char *names, size_t length)
{
        _cleanup_(x509_arena_freep) PLArenaPool *arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
        CERTGeneralName *first = NULL;
        int r;

        CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
        r = x509_dns_names(arena, wire_bytes(names, length), &first);
        CU_ASSERT(r == 0 || r == X509_NOT_A_DNS_NAME);
        CU_ASSERT_EQUAL(first != NULL, r == 0);
        return r == 0;
}
#define IS_TAKEN(names) is_taken(names, sizeof(names))

static void test_dns_names(void)
{
        CU_ASSERT(IS_TAKEN("ca.example"));
        CU_ASSERT(IS_TAKEN("*.example"));
        CU_ASSERT(IS_TAKEN("1.example\0ca.example"));
        CU_ASSERT_FALSE(is_taken("ca.example", 10));
        CU_ASSERT_FALSE(IS_TAKEN("ca.example\0"));
        CU_ASSERT_FALSE(IS_TAKEN("ca..example"));
        CU_ASSERT_FALSE(IS_TAKEN("ca_1.example"));
        /* An address, as text_is_dns_name() has it. */
        CU_ASSERT_FALSE(IS_TAKEN("192.0.2.1"));
        CU_ASSERT_FALSE(IS_TAKEN("ca.1"));
}

SUITE(worker_x509,
        {"a DNS name is what it is everywhere: letters, digits and hyphens, and no address", test_dns_names});
