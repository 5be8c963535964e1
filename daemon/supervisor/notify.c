/* SPDX-License-Identifier: MPL-2.0 */
/* What the service manager is told (sd_notify(3)); without one, nothing happens here. */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon/supervisor/supervisor.h"
#include "daemon/util/log.h"

char *notify_status(const struct supervisor *supervisor)
{
        char *text = NULL;
        size_t size = 0, n_ready = 0;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                n_ready += supervisor->tokens[i]->config && supervisor->tokens[i]->life.state == TOKEN_READY;
        fprintf(out, "%zu %s ready", n_ready, n_ready == 1 ? "token" : "tokens");
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                const struct life *life = &supervisor->tokens[i]->life;

                if (supervisor->tokens[i]->config && life->state != TOKEN_READY)
                        fprintf(out, ", %s %s%s%s", supervisor->tokens[i]->name,
                                token_state_name(life->state), *life->reason ? ": " : "", life->reason);
        }
        if (fclose(out) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* READY waits for each token until it is ready, has failed, or had its StartTimeout=; and for a broker that answers. */
static bool is_time(const struct supervisor *supervisor)
{
        uint64_t now = now_usec();

        if (!supervisor->broker.child.answered)
                return false;
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                const struct token *token = supervisor->tokens[i];

                if (token->config && token->life.state != TOKEN_READY && token->life.state != TOKEN_FAILED &&
                        now < token->ready_usec)
                        return false;
        }
        return true;
}

void notify_state(struct supervisor *supervisor)
{
        _cleanup_(freep) char *status = NULL;
        bool ready;

        if (supervisor->stopping)
                return;
        status = notify_status(supervisor);
        ready = !supervisor->ready && is_time(supervisor);
        if (!status || (!ready && supervisor->status && strcmp(status, supervisor->status) == 0))
                return;
        sd_notifyf(0, "%sSTATUS=%s", ready ? "READY=1\n" : "", status);
        if (ready) {
                supervisor->ready = true;
                log_notice("ready: %s", status);
        }
        free(supervisor->status);
        supervisor->status = TAKE_PTR(status);
}

void notify_reloading(struct supervisor *supervisor)
{
        /* Before READY there is nothing to reload from: systemd would take the READY that follows for the first. */
        if (supervisor->ready)
                sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%ju", (uintmax_t)now_usec());
}

void notify_reloaded(struct supervisor *supervisor)
{
        if (supervisor->ready)
                sd_notify(0, "READY=1");
        notify_state(supervisor);
}

void notify_stopping(struct supervisor *supervisor)
{
        sd_notify(0, "STOPPING=1\nSTATUS=Stopping.");
}

void notify_watchdog(struct supervisor *supervisor)
{
        /* A worker that can not even be killed is its token's misfortune; a broker like that is everybody's. */
        if (supervisor->watchdog && !child_is_stuck(&supervisor->broker.child, now_usec()))
                sd_notify(0, "WATCHDOG=1");
}
