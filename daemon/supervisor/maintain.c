/* SPDX-License-Identifier: MPL-2.0 */
/* See maintain.h. */
#include "daemon/supervisor/maintain.h"

#include <stdio.h>

#include "daemon/supervisor/retire.h"
#include "daemon/supervisor/succession.h"
#include "daemon/supervisor/token-looks.h"
#include "daemon/supervisor/wish.h"

/* A worker that still runs was taken out of service: it finishes what it has, and then the next one starts. */
static void start_anew(struct supervised_token *token)
{
        token->refused_pin.refused = false;
        life_renew(&token->life, moment_now(), life_runs(&token->life) ? token->config->timeout_usec : 0);
}

static void retry_section(struct supervised_token *token)
{
        struct succession *next = &token->next;

        next->refused_pin.refused = false;
        life_init(&next->life, moment_now());
        next->n_tries = 0;
        next->pending_usec = now_usec() + next->section->start_timeout_usec;
        succession_set_phase(token, SUCCESSION_DUE);
}

static void give_up_section(struct supervised_token *token)
{
        enum succession_phase phase = token->next.phase;

        /* What is on trial has the place to itself by now. */
        if (phase == SUCCESSION_ALONE)
                succession_drop(token);
        else if (phase != SUCCESSION_NONE && phase != SUCCESSION_FAILED)
                succession_fail(token, "an operator took the token out of service before its worker was up");
        child_end(token->other);
}

/* The word of an operator: the PIN is tried once, also one that was refused before. What works is left alone. */
static void retry(struct supervised_token *token)
{
        if (token->next.phase == SUCCESSION_FAILED)
                retry_section(token);
        else if (token->life.phase == LIFE_WAITING || token->life.phase == LIFE_FAILED)
                start_anew(token);
}

static void disable(struct supervised_token *token, bool drain, uint32_t uid)
{
        char reason[REASON_SIZE];
        uint64_t finish_usec = 0;

        /* A section that has not shown that it works is not tried meanwhile. */
        give_up_section(token);
        snprintf(reason, sizeof(reason), "%s by uid %u; tokendctl enable %s starts it again",
                drain ? "drained" : "disabled", uid, token->name);
        if (drain)
                finish_usec = retire_worker(token, reason);
        life_disable(&token->life, moment_now(), finish_usec, reason);
        if (finish_usec == 0)
                child_end(token->worker);
        look_end(token);
}

int maintain(struct supervised_token *token, const struct message_maintain *message)
{
        if (message->what == 0 || message->what >= MAINTENANCE_MAX_)
                return -EBADMSG;
        wish_take(token, message);
        if (message->what == MAINTENANCE_RETRY)
                retry(token);
        else if (message->what != MAINTENANCE_ENABLE)
                disable(token, message->what == MAINTENANCE_DRAIN, message->uid);
        else if (token->life.state == TOKEN_DISABLED)
                start_anew(token);
        supervised_token_tell(token);
        supervised_token_arm(token);
        return 0;
}
