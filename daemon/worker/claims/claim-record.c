/* SPDX-License-Identifier: MPL-2.0 */
/* See claim-record.h. */
#include "daemon/worker/claims/claim-record.h"

#include <string.h>

#include "daemon/util/text.h"

#define CLAIM_VERSION 1U

size_t claim_record_encode(const struct claim_record *claim, uint8_t ret[static CLAIM_MAX])
{
        struct wire wire = {.data = ret, .size = CLAIM_MAX};

        wire_put_u8(&wire, CLAIM_VERSION);
        wire_put_bytes(&wire, wire_bytes(claim->claimant, sizeof(claim->claimant)));
        wire_put_u64(&wire, claim->number);
        wire_put_u8(&wire, (uint8_t)claim->kind);
        wire_put_bytes(&wire, wire_bytes(claim->id, claim->id_length));
        wire_put_text(&wire, claim->host);
        wire_put_u64(&wire, claim->since_usec);
        return wire.at;
}

bool claim_record_decode(const uint8_t *data, size_t length, struct claim_record *ret)
{
        struct wire wire = {.data = (uint8_t *)(uintptr_t)data, .size = length};
        struct claim_record claim = {0};
        struct wire_bytes claimant, id;
        const char *host;

        if (wire_get_u8(&wire) != CLAIM_VERSION)
                return false;
        claimant = wire_get_bytes(&wire);
        claim.number = wire_get_u64(&wire);
        claim.kind = wire_get_u8(&wire);
        id = wire_get_bytes(&wire);
        host = wire_get_text(&wire);
        claim.since_usec = wire_get_u64(&wire);
        if (wire.bad || wire.at != wire.size || claimant.length != CLAIMANT_LENGTH ||
                id.length > LIMIT_KEY_ID || claim.kind < CLAIM_PAIR || claim.kind >= CLAIM_KIND_MAX_)
                return false;
        memcpy(claim.claimant, claimant.data, CLAIMANT_LENGTH);
        if (id.length > 0)
                memcpy(claim.id, id.data, id.length);
        claim.id_length = id.length;
        /* The host is shown to people: a name that cannot be shown is left out. */
        if (strlen(host) < sizeof(claim.host) && text_is_listable(host, strlen(host)))
                memcpy(claim.host, host, strlen(host) + 1);
        *ret = claim;
        return true;
}

bool claim_record_is(const struct claim_record *claim, struct wire_bytes claimant, uint64_t number)
{
        return claimant.length == CLAIMANT_LENGTH && claim->number == number &&
               memcmp(claim->claimant, claimant.data, CLAIMANT_LENGTH) == 0;
}

bool claim_record_is_lower(const struct claim_record *claim, struct wire_bytes claimant, uint64_t number)
{
        if (claim->number != number || claimant.length != CLAIMANT_LENGTH)
                return claim->number < number;
        return memcmp(claim->claimant, claimant.data, CLAIMANT_LENGTH) < 0;
}

enum claim_step claim_decide(unsigned seen, bool written, unsigned n_looks)
{
        if (written && !(seen & SEEN_OWN_CLAIM))
                return CLAIM_BLIND;
        if (seen & SEEN_OBJECT)
                return CLAIM_TAKEN;
        if (!(seen & (SEEN_CLAIM | SEEN_LOWER_CLAIM)))
                return CLAIM_CREATE;
        if (!written || (seen & SEEN_LOWER_CLAIM) || n_looks >= CLAIM_LOOKS_MAX)
                return CLAIM_YIELD;
        return CLAIM_STAY;
}
