/* SPDX-License-Identifier: MPL-2.0 */
/* See peer-channels.h. */
#include "daemon/supervisor/peer-channels.h"

#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/log.h"

/* Whether copies of the token's keys may lie on the accelerator. */
static bool is_accelerator_of(
        const struct supervised_token *accelerator, const struct supervised_token *token)
{
        return token->config && accelerator->config && token->config->accelerator &&
               strcmp(token->config->accelerator, accelerator->name) == 0;
}

static void connect_two(struct supervised_token *token, struct supervised_token *accelerator)
{
        _cleanup_(closep) int one = -1, two = -1;
        int fds[2], r = channel_pair(fds);

        if (r < 0) {
                log_error(
                        "a channel between the workers of %s and %s cannot be made, so no key is copied: %s",
                        token->name, accelerator->name, strerror(-r));
                return;
        }
        one = fds[0];
        two = fds[1];
        /* Each worker gets its own copy of its end. */
        (void)child_tell(token->worker, peer, one, .token = accelerator->name);
        (void)child_tell(accelerator->worker, peer, two, .token = token->name);
}

void peer_channels_open(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;

        if (!child_is_live(token->worker))
                return;
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                struct supervised_token *other = supervisor->tokens[i];

                if (other == token || !child_is_live(other->worker))
                        continue;
                if (is_accelerator_of(other, token))
                        connect_two(token, other);
                if (is_accelerator_of(token, other))
                        connect_two(other, token);
        }
}
