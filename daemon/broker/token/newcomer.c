/* SPDX-License-Identifier: MPL-2.0 */
/* See newcomer.h. */
#include "daemon/broker/token/newcomer.h"

#include "daemon/broker/token/reply.h"
#include "daemon/broker/token/worker.h"
#include "daemon/util/log.h"

uint64_t newcomer_tick(struct token *token, uint64_t now)
{
        struct worker *newcomer = token->other;

        if (newcomer->load_due_usec > now)
                return newcomer->load_due_usec;
        newcomer->load_due_usec = USEC_NEVER;
        newcomer->load_wanted = true;
        token->dirty = token->broker->tokens_dirty = true;
        return USEC_NEVER;
}

void newcomer_takes_over(struct token *token, uint64_t life)
{
        struct worker *newcomer = token->other, *before = token->worker;

        if (newcomer->life != life)
                return;
        log_info("token %s: another worker takes the place of its own", token->name);
        token->worker = newcomer;
        token->other = before;
        token->closed_usec = 0;
        token->broker->on_token(token, TOKEN_TAKEN_OVER);
        if (newcomer->phase == WORKER_LOADED)
                reply_serves(token);
        /* What waits for a directory of now waits for one of this worker. */
        token->refresh_wanted = newcomer->phase >= WORKER_LOADING;
        token->dirty = token->broker->tokens_dirty = true;
        if (before->phase == WORKER_NONE)
                return;
        before->leaving = true;
        worker_replace(before, "another serves in its place", true);
}
