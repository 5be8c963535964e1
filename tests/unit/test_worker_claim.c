/* SPDX-License-Identifier: MPL-2.0 */
/* What a claim says, which of two comes first, and what follows from what a look saw. */
#include <string.h>

#include "daemon/worker/claims/claim-record.h"
#include "tests/unit/suite.h"

static struct claim_record sample(void)
{
        struct claim_record claim = {.number = 0x0123456789abcdef,
                .kind = CLAIM_CERTIFICATE,
                .id_length = 3,
                .since_usec = 1700000000000000};

        memset(claim.claimant, 0xa5, sizeof(claim.claimant));
        memcpy(claim.id, "\x01\x00\xff", 3);
        strcpy(claim.host, "hsm-a.example");
        return claim;
}

static void test_round_trip(void)
{
        struct claim_record claim = sample(), read;
        uint8_t bytes[CLAIM_MAX];
        size_t n = claim_record_encode(&claim, bytes);

        CU_ASSERT_FATAL(n > 0 && n <= CLAIM_MAX);
        CU_ASSERT_TRUE_FATAL(claim_record_decode(bytes, n, &read));
        CU_ASSERT_EQUAL(memcmp(read.claimant, claim.claimant, sizeof(claim.claimant)), 0);
        CU_ASSERT_EQUAL(read.number, claim.number);
        CU_ASSERT_EQUAL(read.kind, claim.kind);
        CU_ASSERT_EQUAL(read.id_length, 3);
        CU_ASSERT_EQUAL(memcmp(read.id, claim.id, 3), 0);
        CU_ASSERT_STRING_EQUAL(read.host, claim.host);
        CU_ASSERT_EQUAL(read.since_usec, claim.since_usec);
        for (unsigned kind = 0; kind <= CLAIM_KIND_MAX_; kind++) {
                claim.kind = kind;
                n = claim_record_encode(&claim, bytes);
                CU_ASSERT_EQUAL(
                        claim_record_decode(bytes, n, &read), kind >= CLAIM_PAIR && kind < CLAIM_KIND_MAX_);
        }
}

static void test_longest(void)
{
        struct claim_record claim = sample(), read;
        uint8_t bytes[CLAIM_MAX];

        claim.id_length = sizeof(claim.id);
        memset(claim.host, 'h', sizeof(claim.host) - 1);
        CU_ASSERT_TRUE(claim_record_decode(bytes, claim_record_encode(&claim, bytes), &read));
        CU_ASSERT_EQUAL(read.id_length, sizeof(claim.id));
        CU_ASSERT_STRING_EQUAL(read.host, claim.host);
}

static void test_cut(void)
{
        struct claim_record claim = sample(), read;
        uint8_t bytes[CLAIM_MAX + 1] = {0};
        size_t n = claim_record_encode(&claim, bytes);

        for (size_t i = 0; i < n; i++) {
                uint8_t *part = malloc(i + 1);
                memcpy(part, bytes, i);
                CU_ASSERT_FALSE(claim_record_decode(part, i, &read));
                free(part);
        }
        CU_ASSERT_FALSE(claim_record_decode(bytes, n + 1, &read));
        bytes[0] = 2;
        CU_ASSERT_FALSE(claim_record_decode(bytes, n, &read));
}

/* The host's name of another is shown to people. */
static void test_hostile_host(void)
{
        struct claim_record claim = sample(), read;
        uint8_t bytes[CLAIM_MAX];

        strcpy(claim.host, "a\x1b[2J");
        CU_ASSERT_TRUE(claim_record_decode(bytes, claim_record_encode(&claim, bytes), &read));
        CU_ASSERT_STRING_EQUAL(read.host, "");
        strcpy(claim.host, "\xff");
        CU_ASSERT_TRUE(claim_record_decode(bytes, claim_record_encode(&claim, bytes), &read));
        CU_ASSERT_STRING_EQUAL(read.host, "");
}

static void test_order(void)
{
        struct claim_record claim = sample();
        uint8_t lower[CLAIMANT_LENGTH], higher[CLAIMANT_LENGTH];
        struct wire_bytes own = wire_bytes(claim.claimant, CLAIMANT_LENGTH);

        memset(lower, 0xa4, sizeof(lower));
        memset(higher, 0xa6, sizeof(higher));
        CU_ASSERT_TRUE(claim_record_is(&claim, own, claim.number));
        CU_ASSERT_FALSE(claim_record_is(&claim, own, claim.number + 1));
        CU_ASSERT_FALSE(claim_record_is(&claim, wire_bytes(lower, sizeof(lower)), claim.number));
        CU_ASSERT_FALSE(claim_record_is(&claim, wire_bytes(NULL, 0), claim.number));
        CU_ASSERT_TRUE(claim_record_is_lower(&claim, own, claim.number + 1));
        CU_ASSERT_FALSE(claim_record_is_lower(&claim, own, claim.number - 1));
        CU_ASSERT_TRUE(claim_record_is_lower(&claim, wire_bytes(higher, sizeof(higher)), claim.number));
        CU_ASSERT_FALSE(claim_record_is_lower(&claim, wire_bytes(lower, sizeof(lower)), claim.number));
        CU_ASSERT_FALSE(claim_record_is_lower(&claim, own, claim.number));
}

static void test_decide(void)
{
        const unsigned own = SEEN_OWN_CLAIM, lower = SEEN_CLAIM | SEEN_LOWER_CLAIM;

        CU_ASSERT_EQUAL(claim_decide(own, true, 1), CLAIM_CREATE);
        CU_ASSERT_EQUAL(claim_decide(own | SEEN_CLAIM, true, 1), CLAIM_STAY);
        CU_ASSERT_EQUAL(claim_decide(own | lower, true, 1), CLAIM_YIELD);
        CU_ASSERT_EQUAL(claim_decide(own | SEEN_OBJECT, true, 1), CLAIM_TAKEN);
        CU_ASSERT_EQUAL(claim_decide(own | lower | SEEN_OBJECT, true, 1), CLAIM_TAKEN);
        CU_ASSERT_EQUAL(claim_decide(own | SEEN_CLAIM, true, CLAIM_LOOKS_MAX - 1), CLAIM_STAY);
        CU_ASSERT_EQUAL(claim_decide(own | SEEN_CLAIM, true, CLAIM_LOOKS_MAX), CLAIM_YIELD);
        CU_ASSERT_EQUAL(claim_decide(0, false, 1), CLAIM_CREATE);
        CU_ASSERT_EQUAL(claim_decide(SEEN_CLAIM, false, 1), CLAIM_YIELD);
        CU_ASSERT_EQUAL(claim_decide(SEEN_OBJECT, false, 1), CLAIM_TAKEN);
}

/* Of all that can be seen, one thing alone lets create. */
static void test_safe(void)
{
        for (unsigned seen = 0; seen <= SEEN_ALL_; seen++)
                for (unsigned n = 1; n <= CLAIM_LOOKS_MAX + 1; n++) {
                        if (!(seen & SEEN_OWN_CLAIM))
                                CU_ASSERT_EQUAL(claim_decide(seen, true, n), CLAIM_BLIND);
                        if (seen != SEEN_OWN_CLAIM)
                                CU_ASSERT_NOT_EQUAL(claim_decide(seen, true, n), CLAIM_CREATE);
                        if (seen & (SEEN_ALL_ & ~(unsigned)SEEN_OWN_CLAIM))
                                CU_ASSERT_NOT_EQUAL(claim_decide(seen, false, n), CLAIM_CREATE);
                }
}

SUITE(worker_claim, {"a claim is read as it was written", test_round_trip},
        {"the longest claim fits", test_longest},
        {"a claim that is cut, longer, or of another version is none", test_cut},
        {"a host's name that is no text is not shown", test_hostile_host},
        {"claims are told apart and ordered by number and claimant", test_order},
        {"each sight leads to its step", test_decide},
        {"only a look that saw our claim and nothing else lets create", test_safe});
