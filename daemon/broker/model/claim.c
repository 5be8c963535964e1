/* SPDX-License-Identifier: MPL-2.0 */
/* See claim.h. */
#include "daemon/broker/model/claim.h"

#include <string.h>

#include "daemon/util/text.h"
#include "gen/broker/base/replies.h"

/* Bytes of a claimant that are kept; ours have 32. */
#define CLAIMANT_MAX 64U
/* Bytes of a host's name. */
#define HOST_MAX 256U

struct claim {
        struct claim *next;
        size_t n_claimant;
        unsigned char claimant[CLAIMANT_MAX];
        uint64_t since_usec;
        const char *nickname, *host; /* behind it */
};

void claims_done(struct claims *claims)
{
        while (claims->list) {
                struct claim *claim = claims->list;

                claims->list = claim->next;
                free(claim);
        }
        claims->n = 0;
}

void claims_begin(struct claims *claims, const struct message_claims *message)
{
        claims_done(claims);
        claims->known = true;
        claims->holds = message->holds_claims;
}

int claims_add(struct claims *claims, const struct message_claim *message)
{
        size_t n_nickname = strlen(message->nickname) + 1, n_host = strlen(message->host) + 1;
        struct claim *claim, **at = &claims->list;
        char *text;

        if (!text_is_utf8(message->nickname, n_nickname - 1) || n_nickname > LIMIT_CHANNEL_MESSAGE / 2 ||
                !text_is_utf8(message->host, n_host - 1) || n_host > HOST_MAX ||
                message->claimant.length > CLAIMANT_MAX || message->since_usec > INT64_MAX)
                return -EBADMSG;
        if (claims->n >= LIMIT_CLAIMS)
                return 0;
        claim = malloc(sizeof(*claim) + n_nickname + n_host);
        if (!claim)
                return -ENOMEM;
        *claim = (struct claim){.n_claimant = message->claimant.length, .since_usec = message->since_usec};
        text = (char *)(claim + 1);
        claim->nickname = memcpy(text, message->nickname, n_nickname);
        claim->host = memcpy(text + n_nickname, message->host, n_host);
        if (claim->n_claimant > 0)
                memcpy(claim->claimant, message->claimant.data, claim->n_claimant);
        while (*at)
                at = &(*at)->next;
        *at = claim;
        claims->n++;
        return 0;
}

bool claims_have(const struct claims *claims, const char *nickname, struct wire_bytes claimant)
{
        for (const struct claim *claim = claims->list; claim; claim = claim->next)
                if (strcmp(claim->nickname, nickname) == 0 && claim->n_claimant == claimant.length &&
                        memcmp(claim->claimant, claimant.data, claimant.length) == 0)
                        return true;
        return false;
}

const char *claims_nickname(const struct claims *claims, size_t i)
{
        const struct claim *claim = claims->list;

        while (claim && i-- > 0)
                claim = claim->next;
        return claim ? claim->nickname : NULL;
}

void claims_put(struct output *output, void *userdata)
{
        const struct claims *claims = userdata;
        const char *comma = "";

        for (const struct claim *claim = claims->list; claim; claim = claim->next) {
                char claimant[2 * CLAIMANT_MAX + 1];

                text_hex(claim->claimant, claim->n_claimant, claimant);
                output_text(output, comma);
                status_claim_put(output, &(struct status_claim){
                                                 .nickname = claim->nickname,
                                                 .claimant = claimant,
                                                 .host = claim->host,
                                                 .since_usec = claim->since_usec,
                                         });
                comma = ",";
        }
}
