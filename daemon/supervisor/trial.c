/* SPDX-License-Identifier: MPL-2.0 */
/* See trial.h. */
#include "daemon/supervisor/trial.h"

#include <string.h>

#include "daemon/supervisor/section.h"
#include "daemon/supervisor/state-log.h"
#include "daemon/supervisor/succession.h"
#include "daemon/util/log.h"

bool trial_begin(struct supervised_token *token)
{
        struct succession *next = &token->next;
        int r = section_exchange(token);

        if (r < 0) {
                succession_fail(token, strerror(-r));
                return false;
        }
        log_notice("token %s: the token has no room for a second worker (%s), so the first ends before the "
                   "worker of the new section starts",
                token->name, next->life.reason);
        next->pending_usec = USEC_NEVER;
        succession_set_phase(token, SUCCESSION_ALONE);
        return true;
}

bool trial_is_lost(struct supervised_token *token, bool renewed)
{
        struct succession *next = &token->next;

        if (next->phase != SUCCESSION_ALONE || renewed || token->life.served || section_exchange(token) < 0)
                return false;
        next->refused_pin = token->refused_pin;
        if (!succession_is_refused_alike(next->section, token->config))
                token->refused_pin.refused = false;
        succession_fail(token, token->life.reason);
        return true;
}

void trial_is_won(struct supervised_token *token)
{
        token->proven = true;
        if (token->next.phase != SUCCESSION_ALONE)
                return;
        succession_set_phase(token, SUCCESSION_NONE);
        state_log_section(token);
}
