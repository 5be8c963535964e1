/* SPDX-License-Identifier: MPL-2.0 */
/* A claim that another host put on the token. */
#include <string.h>

#include "daemon/worker/claims/claim-record.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        uint8_t bytes[CLAIM_MAX];
        struct claim_record claim, again;
        struct wire_bytes claimant;

        if (!claim_record_decode(data, size, &claim))
                return 0;
        CHECK(claim.kind >= CLAIM_PAIR && claim.kind < CLAIM_KIND_MAX_);
        CHECK(claim.id_length <= sizeof(claim.id));
        CHECK(memchr(claim.host, 0, sizeof(claim.host)));
        CHECK(claim_record_decode(bytes, claim_record_encode(&claim, bytes), &again));
        claimant = wire_bytes(claim.claimant, sizeof(claim.claimant));
        CHECK(claim_record_is(&again, claimant, claim.number) &&
                !claim_record_is_lower(&again, claimant, claim.number));
        CHECK(again.id_length == claim.id_length && memcmp(again.id, claim.id, claim.id_length) == 0);
        CHECK(strcmp(again.host, claim.host) == 0 && again.since_usec == claim.since_usec);
        return 0;
}
