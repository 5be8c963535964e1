/* SPDX-License-Identifier: MPL-2.0 */
/*
 * The channel between a token's worker and its accelerator's: over it copies of keys travel, wrapped. It is made here,
 * between two processes that this one started, and no end of it is kept or shown to the broker: who has taken that over
 * can neither read a copy nor stand in for the accelerator. Called when a worker was started.
 */
#include "daemon/supervisor/supervisor.h"

#include <string.h>

#include "daemon/util/log.h"

/* Whether copies of one's keys may lie on the other. */
static bool is_accelerator_of(
        const struct supervised_token *accelerator, const struct supervised_token *token)
{
        return token->config && accelerator->config && token->config->accelerator &&
               strcmp(token->config->accelerator, accelerator->name) == 0;
}

/* fd: the end for to's worker, which keeps its own copy of it. */
static void hand_over(struct supervised_token *to, const struct supervised_token *other, int fd)
{
        child_sent(&to->worker, message_send_peer(to->worker.control_fd,
                                        &(struct message_peer){.token = other->name}, &fd, 1));
}

static void connect_two(struct supervised_token *token, struct supervised_token *accelerator)
{
        _cleanup_(closep) int one = -1, two = -1;
        int fds[2], r = channel_pair(fds);

        if (r < 0) {
                /* Its keys stay where they are, which is slower and no error. */
                log_error("no channel between %s and %s, no key is copied: %s", token->name,
                        accelerator->name, strerror(-r));
                return;
        }
        one = fds[0];
        two = fds[1];
        hand_over(token, accelerator, one);
        hand_over(accelerator, token, two);
}

void supervised_token_connect_peers(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;

        if (!child_is_live(&token->worker))
                return;
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                struct supervised_token *other = supervisor->tokens[i];

                if (other == token || !child_is_live(&other->worker))
                        continue;
                if (is_accelerator_of(other, token))
                        connect_two(token, other);
                if (is_accelerator_of(token, other))
                        connect_two(other, token);
        }
}
