/* SPDX-License-Identifier: MPL-2.0 */
/* See wish.h. */
#include "daemon/supervisor/wish.h"

#include "daemon/supervisor/supervisor.h"

/* Whether its worker has ended. */
static bool is_off(const struct supervised_token *token)
{
        return token->life.phase == LIFE_DISABLED && token->worker->pid == 0 && token->other->pid == 0;
}

/* A worker starts, of the section in force or beside it. */
static bool is_tried(const struct supervised_token *token)
{
        enum succession_phase phase = token->next.phase;

        return token->life.state == TOKEN_STARTING || phase == SUCCESSION_DUE ||
               phase == SUCCESSION_STARTING || phase == SUCCESSION_ALONE;
}

static void answer(struct supervised_token *token, bool done, const char *reason)
{
        uint64_t number = token->wish.number;

        token->wish.number = 0;
        (void)child_tell(&token->supervisor->broker.child, maintained, -1, .token = token->name,
                .number = number, .done = done, .reason = reason);
}

void wish_settle(struct supervised_token *token)
{
        const struct succession *next = &token->next;
        bool off = token->wish.what == MAINTENANCE_DRAIN || token->wish.what == MAINTENANCE_DISABLE;

        if (token->wish.number == 0 || (off ? !is_off(token) : is_tried(token)))
                return;
        if (token->wish.what == MAINTENANCE_RETRY && token->life.state == TOKEN_READY &&
                next->phase == SUCCESSION_FAILED)
                answer(token, false, next->reason);
        else
                answer(token, token->life.state == (off ? TOKEN_DISABLED : TOKEN_READY), token->life.reason);
}
