/* SPDX-License-Identifier: MPL-2.0 */
/* io.tokend.Status.Retry, Drain, Disable and Enable: the supervisor does it, and says what came of it. */
#include <string.h>

#include "daemon/broker/methods/status.h"
#include "daemon/broker/methods/steps.h"
#include "daemon/broker/token/backlog.h"
#include "daemon/util/log.h"
#include "gen/broker/methods/methods.h"

/* What the supervisor and the processes take beside the times of the section. */
#define EXTRA_USEC (10 * USEC_PER_SEC)

/* It is done, or not, or takes longer: the reply says which. */
static void maintained(struct op *op)
{
        if (op->end != END_OK && op->end != END_UNAVAILABLE && op->end != END_DEADLINE) {
                op_finish(op);
                return;
        }
        op->reply_state = token_state_name(op->token->state);
        op->reply_text = strdup(op->text ? op->text : "it takes longer; the status says what becomes of it");
        if (op->reply_text)
                op_done(op);
        else
                op_refuse(op, END_NO_MEMORY);
}

/* A word that came behind another one is answered with it: then the token is not in the state that was asked for. */
static bool is_done(const struct op *op)
{
        bool off = strcmp(op->word, "drain") == 0 || strcmp(op->word, "disable") == 0;

        return op->end == END_OK && off == (strcmp(op->reply_state, token_state_name(TOKEN_DISABLED)) == 0);
}

static void ask(struct op *op, enum maintenance what, const char *name)
{
        static const char *const words[MAINTENANCE_MAX_] = {
                [MAINTENANCE_RETRY] = "retry",
                [MAINTENANCE_DRAIN] = "drain",
                [MAINTENANCE_DISABLE] = "disable",
                [MAINTENANCE_ENABLE] = "enable",
        };
        const struct config_token *config;

        op->word = words[what];
        if (!find_operators_token(op, op->word, name))
                return;
        config = op->token->config;
        log_notice("token %s: %s, says uid %u", op->token->name, words[what], (unsigned)op->caller->uid);
        op->deadline_usec = now_usec() + EXTRA_USEC +
                            MAX_OF(config->start_timeout_usec,
                                    MAX_OF(config->timeout_usec, config->generate_timeout_usec));
        op->cookie = ++op->broker->last_wish;
        op->then = maintained;
        loop_arm(&op->broker->loop, op->deadline_usec);
        backlog_ask(op->token, op);
        uplink_maintain(&op->broker->uplink, op->token->name, op->cookie, what, op->caller->uid);
}

void status_retry(struct op *op)
{
        ask(op, MAINTENANCE_RETRY, ((struct status_retry_parameters *)(void *)op->parameters)->token);
}

void status_drain(struct op *op)
{
        ask(op, MAINTENANCE_DRAIN, ((struct status_drain_parameters *)(void *)op->parameters)->token);
}

void status_disable(struct op *op)
{
        ask(op, MAINTENANCE_DISABLE, ((struct status_disable_parameters *)(void *)op->parameters)->token);
}

void status_enable(struct op *op)
{
        ask(op, MAINTENANCE_ENABLE, ((struct status_enable_parameters *)(void *)op->parameters)->token);
}

/* The four replies are of one form. */
#define RENDER(method)                                                                                       \
        enum render status_##method##_render(struct op *op, struct output *output)                           \
        {                                                                                                    \
                const struct status_##method##_reply reply = {                                               \
                        .done = is_done(op), .state = op->reply_state, .reason = op->reply_text};            \
                status_##method##_reply_put(output, &reply);                                                 \
                return RENDER_LAST;                                                                          \
        }
RENDER(retry)
RENDER(drain)
RENDER(disable)
RENDER(enable)
