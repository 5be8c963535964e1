/* SPDX-License-Identifier: MPL-2.0 */
/* See state-log.h. */
#include "daemon/supervisor/state-log.h"

#include <string.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/cause.h"
#include "daemon/util/log.h"

_Static_assert((unsigned)WORKER_END_ABSENT == CAUSE_ABSENT && (unsigned)WORKER_END_PIN == CAUSE_PIN &&
                       (unsigned)WORKER_END_DEVICE == CAUSE_DEVICE &&
                       (unsigned)WORKER_END_HUNG == CAUSE_HUNG && (unsigned)WORKER_END_ERROR == CAUSE_ERROR &&
                       (unsigned)WORKER_END_FULL == CAUSE_FULL && (unsigned)WORKER_END_STORE == CAUSE_STORE,
        "the numbers of causes are those of the ends of workers");

static const char *text_or_null(const char *text)
{
        return *text ? text : NULL;
}

/* What helps a token whose worker ended so. NULL: nothing has to be done. */
static const char *remedy(const struct life *life)
{
        bool works = life->state == TOKEN_READY || life->state == TOKEN_STARTING;
        const struct cause_info *cause = cause_find(life->end ? life->end : CAUSE_ERROR);

        if (life->state == TOKEN_DISABLED)
                return "`tokendctl enable TOKEN` starts the token again.";
        return works || !cause ? NULL : cause->next;
}

void state_log_token(struct supervised_token *token)
{
        static const struct {
                enum event_kind kind;
                int priority;
        } rows[TOKEN_STATE_MAX_] = {
                [TOKEN_STARTING] = {EVENT_TOKEN_STARTING, 5},
                [TOKEN_READY] = {EVENT_TOKEN_READY, 5},
                [TOKEN_RECOVERING] = {EVENT_TOKEN_RECOVERING, 4},
                [TOKEN_FAILED] = {EVENT_TOKEN_FAILED, 3},
                [TOKEN_DISABLED] = {EVENT_TOKEN_DISABLED, 4},
        };
        const struct life *life = &token->life;
        const char *remedy_text = remedy(life);

        if (token->told_state == life->state && strcmp(token->told_reason, life->reason) == 0)
                return;
        token->told_state = life->state;
        memcpy(token->told_reason, life->reason, sizeof(token->told_reason));
        log_event(rows[life->state].priority,
                &(struct event){.kind = rows[life->state].kind,
                        .token = token->name,
                        .state = token_state_name(life->state),
                        .reason = text_or_null(life->reason),
                        .remedy = remedy_text},
                "token %s is %s%s%s", token->name, token_state_name(life->state), *life->reason ? ": " : "",
                life->reason);
}

void state_log_removed(const struct supervised_token *token)
{
        log_event(5, &(struct event){.kind = EVENT_TOKEN_REMOVED, .token = token->name, .state = "removed"},
                "token %s is no longer configured", token->name);
}

void state_log_config(const struct supervisor *supervisor)
{
        const struct config_state *state = &supervisor->config_state;

        if (!*state->fault)
                log_event(5, &(struct event){.kind = EVENT_CONFIG_TAKEN, .state = "in-force"}, "reloaded %s",
                        supervisor->config_path);
        else
                log_event(3,
                        &(struct event){.kind = EVENT_CONFIG_REFUSED,
                                .state = "refused",
                                .reason = state->fault,
                                .remedy = "Mend the files (tokend --check says what is wrong), then reload "
                                          "tokend; until then a restart fails where they have faults."},
                        "%s is not taken, the old configuration stays in force: %s", supervisor->config_path,
                        state->fault);
}

void state_log_section(const struct supervised_token *token)
{
        const struct succession *next = &token->next;
        const struct config_token *section = next->section ? next->section : token->config;
        const char *place = section->place ? section->place : token->supervisor->config_path;

        if (next->phase != SUCCESSION_FAILED)
                log_event(5,
                        &(struct event){
                                .kind = EVENT_CONFIG_TAKEN, .token = token->name, .state = "in-force"},
                        "%s: [Token %s] is in force", place, token->name);
        else
                log_event(3,
                        &(struct event){.kind = EVENT_CONFIG_REFUSED,
                                .token = token->name,
                                .state = "refused",
                                .reason = next->reason,
                                .remedy =
                                        "Mend the section and reload tokend, or mend what it names and run "
                                        "`tokendctl "
                                        "retry TOKEN`; until then the token serves as before, and a restart "
                                        "would start the new section."},
                        "%s: [Token %s] is not in force, the section before it stays: %s", place, token->name,
                        next->reason);
}
