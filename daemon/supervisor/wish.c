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

        return token->life.state == TOKEN_STARTING || token->life.phase == LIFE_STARTING ||
               token->life.phase == LIFE_UP || phase == SUCCESSION_DUE || phase == SUCCESSION_STARTING ||
               phase == SUCCESSION_ALONE;
}

static void answer(struct supervised_token *token, bool done, const char *reason)
{
        uint64_t number = token->wish.number;

        token->wish.number = 0;
        (void)child_tell(&token->supervisor->broker.child, maintained, -1, .token = token->name,
                .number = number, .done = done, .reason = reason);
}

static bool wants_off(unsigned what)
{
        return what == MAINTENANCE_DRAIN || what == MAINTENANCE_DISABLE;
}

void wish_take(struct supervised_token *token, const struct message_maintain *message)
{
        unsigned what = message->what;

        /* It changes nothing of what is under way, and is answered with that. */
        if (token->wish.number != 0 && what == MAINTENANCE_RETRY)
                what = token->wish.what;
        if (token->wish.number != 0 && what != token->wish.what)
                answer(token, false, "an operator wanted something else before it was done");
        token->wish = (struct maintenance_wish){.number = message->number, .what = what};
}

void wish_settle(struct supervised_token *token)
{
        const struct succession *next = &token->next;
        bool off = wants_off(token->wish.what);

        if (token->wish.number == 0 || (off ? !is_off(token) : is_tried(token)))
                return;
        if (token->wish.what == MAINTENANCE_RETRY && token->life.state == TOKEN_READY &&
                next->phase == SUCCESSION_FAILED)
                answer(token, false, next->reason);
        else
                answer(token, token->life.state == (off ? TOKEN_DISABLED : TOKEN_READY), token->life.reason);
}
