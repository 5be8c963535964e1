/* SPDX-License-Identifier: MPL-2.0 */
/* See notify.h. */
#include "daemon/supervisor/notify.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/supervisor/succession.h"
#include "daemon/util/buffer.h"
#include "daemon/util/log.h"
#include "daemon/util/printable.h"
#include "daemon/util/text.h"

/* False: the manager does not read now. */
static bool tell(const char *text)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = getenv("NOTIFY_SOCKET");
        _cleanup_(closep) int fd = -1;
        socklen_t length;

        /* Nothing can be done about a manager that cannot be reached at all. */
        if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(address.sun_path))
                return true;
        memcpy(address.sun_path, path, strlen(path));
        length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
        if (*path == '@')
                address.sun_path[0] = '\0';
        else
                length++;
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return false;
        return sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, length) >= 0 ||
               errno != EAGAIN;
}

/* `2 tokens ready, hsm-b recovering: device removed`. NULL when memory is short. The caller frees. */
static char *status_text(const struct supervisor *supervisor)
{
        struct buffer text = {0};
        size_t n_ready = 0;

        for (size_t i = 0; i < supervisor->n_tokens; i++)
                n_ready += supervisor->tokens[i]->config && supervisor->tokens[i]->life.state == TOKEN_READY;
        buffer_put_format(&text, "%zu %s ready", n_ready, n_ready == 1 ? "token" : "tokens");
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                const struct life *life = &supervisor->tokens[i]->life;

                if (supervisor->tokens[i]->config && life->state != TOKEN_READY)
                        buffer_put_format(&text, ", %s %s%s%s", supervisor->tokens[i]->name,
                                token_state_name(life->state), *life->reason ? ": " : "", life->reason);
        }
        return buffer_take(&text);
}

/* READY waits until each token is ready, has failed or has had its StartTimeout=, and until the broker answers. */
static bool is_time(const struct supervisor *supervisor)
{
        uint64_t now = now_usec();

        if (!supervisor->broker.child.answered)
                return false;
        for (size_t i = 0; i < supervisor->n_tokens; i++) {
                const struct supervised_token *token = supervisor->tokens[i];

                if (token->config && token->life.state != TOKEN_READY && token->life.state != TOKEN_FAILED &&
                        token->life.state != TOKEN_DISABLED && now < token->ready_usec)
                        return false;
        }
        return true;
}

/* A reload is over when each section that changed is in force, or is known not to come up, or has had its StartTimeout=. */
static bool is_settled(const struct supervisor *supervisor)
{
        for (size_t i = 0; i < supervisor->n_tokens; i++)
                if (succession_is_pending(supervisor->tokens[i], now_usec()))
                        return false;
        return true;
}

void notify_state(struct supervisor *supervisor)
{
        _cleanup_(freep) char *status = NULL, *text = NULL, *shown = NULL;
        bool ready;

        if (supervisor_is_stopping(supervisor))
                return;
        supervisor->changed = false;
        status = status_text(supervisor);
        ready = (supervisor->reloaded && is_settled(supervisor)) ||
                (!supervisor->ready && is_time(supervisor));
        if (!status || (!ready && supervisor->status && strcmp(status, supervisor->status) == 0))
                return;
        shown = printable_new(status);
        text = shown ? text_format("%sSTATUS=%s", ready ? "READY=1\n" : "", shown) : NULL;
        if (!text || !tell(text))
                return;
        if (ready && !supervisor->ready)
                log_notice("ready: %s", status);
        supervisor->ready = supervisor->ready || ready;
        supervisor->reloaded = supervisor->reloaded && !ready;
        free(supervisor->status);
        supervisor->status = TAKE_PTR(status);
}

void notify_reloading(struct supervisor *supervisor)
{
        char text[64];

        /* Before the first READY the manager would take the READY of this reload for it. */
        if (!supervisor->ready)
                return;
        snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%ju", (uintmax_t)now_usec());
        (void)tell(text);
}

void notify_reloaded(struct supervisor *supervisor)
{
        supervisor->reloaded = supervisor->ready;
        notify_state(supervisor);
}

void notify_stopping(struct supervisor *supervisor)
{
        (void)tell("STOPPING=1\nSTATUS=Stopping.");
}

void notify_watchdog(struct supervisor *supervisor)
{
        /* A worker that does not go away when it is killed costs one token, such a broker costs the whole service: then the
         * manager is to start everything again. */
        if (supervisor->watchdog && !child_is_stuck(&supervisor->broker.child, now_usec()))
                (void)tell("WATCHDOG=1");
}
