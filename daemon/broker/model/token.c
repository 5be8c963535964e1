/* SPDX-License-Identifier: MPL-2.0 */
/* See token.h: what can be told of a token without touching it. */
#include "daemon/broker/model/token.h"

#include <string.h>

#include "daemon/util/text.h"

bool worker_has_out(const struct worker *worker, enum message_type kind)
{
        for (unsigned i = 0; i < worker->threads; i++)
                if (worker->slots[i].number != 0 && worker->slots[i].kind == kind)
                        return true;
        return false;
}

size_t token_out(const struct token *token)
{
        return token->worker->n_out + token->worker->busy + token->other->n_out + token->other->busy;
}

unsigned token_session_limit(const struct token *token)
{
        return token->worker->session_limit ? token->worker->session_limit : token->config->sessions;
}

bool token_has_mechanism(const struct token *token, uint64_t mechanism)
{
        for (size_t i = 0; i < token->mechanisms.n; i++)
                if (token->mechanisms.types[i] == mechanism)
                        return true;
        return false;
}

unsigned token_retry_ms(const struct token *token)
{
        uint64_t threads = MAX_OF(token->worker->threads, 1U);
        uint64_t ms = (token->queue.n + token->worker->n_out) * token->latency_usec / threads / USEC_PER_MSEC;

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

int token_identity(const struct message_hello *hello, struct uri_token *ret)
{
        const char *const parts[URI_PARTS] = {
                [URI_TOKEN] = hello->label,
                [URI_SERIAL] = hello->serial,
                [URI_MANUFACTURER] = hello->manufacturer,
                [URI_MODEL] = hello->model,
                [URI_SLOT_DESCRIPTION] = hello->slot_description,
                [URI_SLOT_MANUFACTURER] = hello->slot_manufacturer,
                [URI_LIBRARY_DESCRIPTION] = hello->library_description,
                [URI_LIBRARY_MANUFACTURER] = hello->library_manufacturer,
                [URI_LIBRARY_VERSION] = hello->library_version,
        };
        struct uri_token identity = {.slot_id = hello->slot_id};

        for (size_t part = 0; part < URI_PARTS; part++) {
                size_t length = strlen(parts[part]);

                if (length > URI_PART_MAX || !text_is_utf8(parts[part], length))
                        return -EBADMSG;
                memcpy(identity.parts[part], parts[part], length);
        }
        *ret = identity;
        return 0;
}
