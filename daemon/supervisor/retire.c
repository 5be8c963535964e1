/* SPDX-License-Identifier: MPL-2.0 */
/* See retire.h. */
#include "daemon/supervisor/retire.h"

#include "daemon/supervisor/supervisor.h"

uint64_t retire_worker(const struct supervised_token *token, const char *reason)
{
        const struct config_token *config = token->config;

        if (token->life.phase != LIFE_SERVING || !child_is_live(token->worker) ||
                child_tell(&token->supervisor->broker.child, retire, -1, .token = token->name,
                        .life = token->life_number, .reason = reason) < 0)
                return 0;
        return MAX_OF(config->timeout_usec, config->generate_timeout_usec);
}
