/* SPDX-License-Identifier: MPL-2.0 */
/* See listener.h. Who the caller is, is asked of the kernel here, once: it is who it was at its connect. */
#include "daemon/broker/net/listener.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/broker/audit/records.h"
#include "daemon/broker/net/connection.h"
#include "daemon/broker/net/unit.h"
#include "daemon/util/log.h"

/* Connections taken in one turn of the loop. */
#define ACCEPTS_A_TURN 16U
/* How long to rest when the process has no descriptor left. */
#define REST_USEC (100 * USEC_PER_MSEC)

static struct listener *listener_of(struct broker *broker, enum listen_kind kind)
{
        return kind == LISTEN_KEYS ? &broker->keys : &broker->status;
}

static void listener_close(struct listener *listener)
{
        sd_event_source_disable_unref(listener->source);
        listener->source = NULL;
        if (listener->fd >= 0)
                close(listener->fd);
        listener->fd = -1;
}

static int take_groups(int fd, struct caller *caller)
{
        socklen_t length = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) == 0)
                return 0;
        if (errno != ERANGE)
                return -errno;
        caller->groups = malloc(length);
        if (!caller->groups)
                return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, caller->groups, &length) < 0)
                return -errno;
        caller->n_groups = length / sizeof(gid_t);
        return 0;
}

static int caller_of(struct accounts *accounts, int fd, struct caller **ret)
{
        struct caller *caller = NULL;
        struct ucred cred;
        socklen_t length = sizeof(cred);
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &length) < 0)
                return -errno;
        caller = calloc(1, sizeof(*caller));
        if (!caller)
                return -ENOMEM;
        *caller = (struct caller){.refs = 1, .uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
        caller->account = account_of(accounts, cred.uid);
        r = caller->account ? take_groups(fd, caller) : -ENOMEM;
        if (r < 0)
                caller_unref(caller);
        else
                *ret = caller;
        return r;
}

/* Whether there is room for one more of this instance (NULL: a stranger). */
static bool has_room(const struct listener *listener, const struct instance *instance)
{
        const struct broker *broker = listener->broker;

        if (listener->kind == LISTEN_STATUS)
                return listener->n_connections < LIMIT_STATUS_CONNECTIONS;
        if (listener->n_connections >= broker->max_keys_connections)
                return false;
        if (!instance)
                return broker->n_strangers < LIMIT_STRANGERS;
        return instance->n_connections < instance->config->max_connections;
}

/* Whether the user may have one more connection: in bytes, and of the descriptors half of what the other users leave. So there is always
 * one left for the next user, although nothing else bounds those whose unit is not known yet. */
static bool account_has_room(const struct listener *listener, const struct account *account, bool stranger)
{
        size_t max = listener->broker->max_keys_connections, n = account->n_connections;
        size_t others = listener->n_connections > n ? listener->n_connections - n : 0;

        return !account_is_over(account, stranger) && (others >= max || n < (max - others + 1) / 2);
}

/* Who connects can cause this at will. */
static void log_refusal(struct broker *broker, const char *what, int error)
{
        unsigned n_dropped;

        if (log_may(&broker->accept_rate, now_usec(), 1, &n_dropped))
                log_warning("%s: %s; %u such lines were left out before", what, strerror(error), n_dropped);
}

static void admit(struct listener *listener, int fd)
{
        struct broker *broker = listener->broker;
        bool pending, room;
        struct instance *instance = NULL;
        struct connection *c;
        struct caller *caller = NULL;
        int r = caller_of(&broker->accounts, fd, &caller);

        if (r < 0) {
                log_refusal(broker, "cannot tell who a caller is", -r);
                close(fd);
                return;
        }
        pending = listener->kind == LISTEN_KEYS && policy_asks_unit(broker->config, caller);
        if (!pending)
                instance = registry_instance(broker, policy_match(broker->config, caller, broker->own_uid));
        room = pending ? listener->n_connections < broker->max_keys_connections
                       : has_room(listener, instance);
        if (listener->kind == LISTEN_KEYS &&
                !account_has_room(listener, caller->account, !pending && !instance))
                room = false;
        if (!room) {
                caller->account->n_closed++;
                caller_unref(caller);
                close(fd);
                return;
        }
        r = connection_new(listener, fd, caller, instance, pending, &c);
        if (r < 0)
                log_refusal(broker, "cannot take a connection", -r);
        else
                unit_wanted(c);
}

static void rest(struct broker *broker, int error)
{
        log_refusal(broker, "cannot accept connections for now", error);
        broker->accept_again_usec = now_usec() + REST_USEC;
        if (broker->keys.source)
                (void)sd_event_source_set_enabled(broker->keys.source, SD_EVENT_OFF);
        if (broker->status.source)
                (void)sd_event_source_set_enabled(broker->status.source, SD_EVENT_OFF);
        loop_arm(&broker->loop, broker->accept_again_usec);
}

static int on_io(sd_event_source *source, int listen_fd, uint32_t events, void *userdata)
{
        struct listener *listener = userdata;

        for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0) {
                        admit(listener, fd);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                        rest(listener->broker, errno);
                else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                        log_refusal(listener->broker, "cannot accept connections", errno);
                break;
        }
        loop_settle(&listener->broker->loop);
        return 0;
}

static int listener_watch(struct listener *listener)
{
        if (listener->fd < 0 || listener->source)
                return 0;
        return sd_event_add_io(
                listener->broker->loop.event, &listener->source, listener->fd, EPOLLIN, on_io, listener);
}

int listener_set(struct broker *broker, enum listen_kind kind, int fd)
{
        struct listener *listener = listener_of(broker, kind);

        listener_close(listener);
        listener->fd = fd;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        return broker->sealed && !broker->draining ? listener_watch(listener) : 0;
}

int listener_start(struct broker *broker)
{
        int r = listener_watch(&broker->keys);

        return r < 0 ? r : listener_watch(&broker->status);
}

void listener_stop(struct broker *broker)
{
        listener_close(&broker->keys);
        listener_close(&broker->status);
}

uint64_t listener_tick(struct broker *broker, uint64_t now)
{
        if (broker->accept_again_usec > now)
                return broker->accept_again_usec;
        broker->accept_again_usec = USEC_NEVER;
        if (broker->keys.source)
                (void)sd_event_source_set_enabled(broker->keys.source, SD_EVENT_ON);
        if (broker->status.source)
                (void)sd_event_source_set_enabled(broker->status.source, SD_EVENT_ON);
        return USEC_NEVER;
}
