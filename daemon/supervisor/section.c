/* SPDX-License-Identifier: MPL-2.0 */
/* See section.h. */
#include "daemon/supervisor/section.h"

#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"

void section_tell_all(struct supervisor *supervisor, bool read)
{
        (void)child_tell(&supervisor->broker.child, config, supervisor->config_fd, .version = MESSAGE_VERSION,
                .started_usec = supervisor->started_usec, .read = read);
}

static void swap(struct supervised_token *token)
{
        struct config *config = token->supervisor->config;

        for (size_t i = 0; i < config->n_tokens; i++) {
                struct config_token *section = config->tokens[i];

                if (section != token->config)
                        continue;
                config->tokens[i] = token->next.section;
                token->next.section = section;
                token->config = config->tokens[i];
                return;
        }
}

int section_exchange(struct supervised_token *token)
{
        struct supervisor *supervisor = token->supervisor;
        int fd = -1, r;

        swap(token);
        r = config_to_memfd(supervisor->config, &fd);
        if (r < 0) {
                swap(token);
                return r;
        }
        closep(&supervisor->config_fd);
        supervisor->config_fd = fd;
        section_tell_all(supervisor, false);
        return 0;
}

/* Why the section of the files is not in force. NULL: it is, or memory is short. The caller frees. */
static char *token_reason(const struct supervised_token *token)
{
        const struct succession *next = &token->next;
        const char *place;

        if (!token->config || next->phase == SUCCESSION_NONE)
                return NULL;
        place = next->phase == SUCCESSION_ALONE ? token->config->place : next->section->place;
        if (next->phase != SUCCESSION_FAILED)
                return text_format("%s: [Token %s] is not in force yet: its worker is starting",
                        place ? place : "the files", token->name);
        return text_format("%s: [Token %s] is not in force, the section before it is: %s",
                place ? place : "the files", token->name, next->reason);
}

void section_tell_state(struct supervisor *supervisor)
{
        struct config_state *state = &supervisor->config_state;
        _cleanup_(freep) char *reason = NULL;
        const char *text = state->fault;

        for (size_t i = 0; i < supervisor->n_tokens && !*text && !reason; i++)
                reason = token_reason(supervisor->tokens[i]);
        if (reason)
                text = reason;
        if (state->ok != !*text)
                state->since_usec = wall_usec();
        state->ok = !*text;
        (void)printable_copy(state->reason, sizeof(state->reason), text, strlen(text));
        (void)child_tell(&supervisor->broker.child, config_state, -1, .ok = state->ok,
                .reason = state->reason, .since_usec = state->since_usec);
}
