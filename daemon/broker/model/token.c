/* SPDX-License-Identifier: MPL-2.0 */
/* See token.h: what can be told of a token without touching it. */
#include "daemon/broker/model/token.h"

bool worker_has_out(const struct worker *worker, enum message_type kind)
{
        for (unsigned i = 0; i < worker->threads; i++)
                if (worker->slots[i].number != 0 && worker->slots[i].kind == kind)
                        return true;
        return false;
}

bool token_has_mechanism(const struct token *token, uint64_t mechanism)
{
        for (size_t i = 0; i < token->n_mechanisms; i++)
                if (token->mechanisms[i] == mechanism)
                        return true;
        return false;
}

unsigned token_retry_ms(const struct token *token)
{
        uint64_t threads = MAX_OF(token->worker.threads, 1U);
        uint64_t ms = (token->queue.n + token->worker.n_out) * token->latency_usec / threads / USEC_PER_MSEC;

        return (unsigned)MIN_OF(MAX_OF(ms, UINT64_C(1)), UINT64_C(5000));
}

static size_t count(const struct link *list)
{
        size_t n = 0;

        LINK_FOREACH(at, (struct link *)(uintptr_t)list)
        {
                n++;
        }
        return n;
}

size_t token_queued(const struct token *token)
{
        return token->queue.n + count(&token->waiting) + count(&token->first) + count(&token->paused) +
               count(&token->unsettled);
}
