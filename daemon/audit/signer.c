/* SPDX-License-Identifier: MPL-2.0 */
/* See signer.h. */
#include "daemon/audit/signer.h"

#include <inttypes.h>

#include "daemon/util/log.h"
#include "daemon/util/text.h"

/* How long a signature may take, and when one that failed is asked for again. */
#define WAIT_USEC  (30U * USEC_PER_SEC)
#define AGAIN_USEC (60U * USEC_PER_SEC)

void signer_set_interval(struct signer *signer, uint64_t interval_usec, uint64_t now_usec)
{
        if (interval_usec != signer->interval_usec)
                signer->next_usec = now_usec + interval_usec;
        signer->interval_usec = interval_usec;
}

bool signer_has_unsigned(const struct signer *signer, const struct chain *chain)
{
        return chain->seq > signer->signed_seq + 1;
}

void signer_ask(struct signer *signer, const struct chain *chain, uint64_t now_usec)
{
        signer->head = *chain;
        signer->until_usec = now_usec + WAIT_USEC;
        signer->owed = true;
}

void signer_forget(struct signer *signer)
{
        signer->until_usec = 0;
        signer->owed = false;
}

static void signer_failed(struct signer *signer, const char *reason, uint64_t now_usec)
{
        log_warning("audit: the head at record %" PRIu64 " is not signed: %s", signer->head.seq, reason);
        signer_forget(signer);
        signer->next_usec = now_usec + MIN_OF(signer->interval_usec, (uint64_t)AGAIN_USEC);
}

void signer_step(struct signer *signer, const struct chain *chain, bool can, uint64_t now_usec)
{
        if (signer->until_usec > 0 && now_usec >= signer->until_usec)
                signer_failed(signer, "no answer", now_usec);
        if (signer->until_usec == 0 && can && now_usec >= signer->next_usec &&
                signer_has_unsigned(signer, chain))
                signer_ask(signer, chain, now_usec);
}

uint64_t signer_next(const struct signer *signer, const struct chain *chain, bool can)
{
        if (signer->until_usec > 0)
                return signer->until_usec;
        return can && signer_has_unsigned(signer, chain) ? signer->next_usec : USEC_NEVER;
}

int signer_take(struct signer *signer, const struct message_head_signed *answer, uint64_t now_usec,
        char ret[static LIMIT_AUDIT_RECORD + 1], size_t *ret_length, const char **ret_reason)
{
        const char *reason = NULL;

        /* The question was given up, or belonged to a rotation that is over. */
        if (signer->until_usec == 0 || answer->seq != signer->head.seq)
                return 1;
        if (!answer->ok)
                reason = answer->reason[0] ? answer->reason : "refused";
        else if (signed_head_record(&signer->head, answer, ret, LIMIT_AUDIT_RECORD + 1, ret_length) < 0)
                reason = "the broker's answer holds no valid signature";
        if (reason) {
                signer_failed(signer, reason, now_usec);
                *ret_reason = reason;
                return 2;
        }
        signer_forget(signer);
        signer->next_usec = now_usec + signer->interval_usec;
        return 0;
}

void signer_done(struct signer *signer)
{
        char hex[2 * LINE_HASH_SIZE + 1];

        signer->signed_seq = signer->head.seq;
        signer->signed_wall_usec = wall_usec();
        /* A witness outside the file: the journal of this host, and of the hosts that it is sent to. */
        text_hex(signer->head.hash, LINE_HASH_SIZE, hex);
        log_info("audit: the head at record %" PRIu64 ", hash %s, is signed", signer->head.seq, hex);
}
