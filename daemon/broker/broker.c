/* SPDX-License-Identifier: MPL-2.0 */
/* The context: configuration in force, the one timer, what was touched and has to be served, the drain. */
#include "daemon/broker/broker.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

#include "daemon/broker/connection.h"
#include "daemon/broker/control.h"
#include "daemon/broker/copies.h"
#include "daemon/broker/listener.h"
#include "daemon/broker/unit.h"
#include "daemon/util/log.h"

/* Descriptors that are neither a client's nor a token's: the control, the loop, the timer, listeners, the
 * log. */
#define FDS_OWN 32U
/* Of a token: its worker's channel, a look's, and one of either that is being replaced. */
#define FDS_A_TOKEN 4U

/* ---- the timer: set to the earliest time that anything asked for, and not set again for what comes later
 * ---- */

static void timer_set(struct broker *broker, uint64_t usec)
{
        struct itimerspec spec = {0};

        broker->timer_usec = usec;
        if (usec != USEC_NEVER) {
                usec = MAX_OF(usec, UINT64_C(1));
                spec.it_value.tv_sec = (time_t)(usec / USEC_PER_SEC);
                spec.it_value.tv_nsec = (long)(usec % USEC_PER_SEC * 1000U);
        }
        if (timerfd_settime(broker->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0)
                log_error("cannot set the timer: %s", strerror(errno));
}

void broker_arm(struct broker *broker, uint64_t usec)
{
        if (usec < broker->timer_usec)
                timer_set(broker, usec);
}

static uint64_t tick_all(struct broker *broker, uint64_t now)
{
        uint64_t next = listener_tick(broker, now), due = unit_tick(broker, now);

        next = MIN_OF(next, due);
        due = audit_tick(broker, now);
        next = MIN_OF(next, due);

        LINK_FOREACH(token_at, &broker->tokens)
        {
                due = token_tick(LINK_OF(token_at, struct token, link), now);

                next = MIN_OF(next, due);
        }
        LINK_FOREACH(connection_at, &broker->connections)
        {
                due = connection_tick(LINK_OF(connection_at, struct connection, link), now);

                next = MIN_OF(next, due);
        }
        return broker->draining && !broker->drained ? MIN_OF(next, broker->drain_usec) : next;
}

static int on_timer(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct broker *broker = userdata;
        uint64_t expirations, next;

        if (read(fd, &expirations, sizeof(expirations)) < 0 && errno != EAGAIN)
                return -errno;
        broker->timer_usec = USEC_NEVER;
        next = tick_all(broker, now_usec());
        broker_arm(broker, next);
        broker_settle(broker);
        return 0;
}

/* ---- life ---- */

/* As many clients as the system lets us have; without a select(2) in the process there is no reason for less. Returns
 * how many descriptors there may be. Under the seccomp filter this could not be asked. */
static size_t raise_descriptors(void)
{
        struct rlimit limit, raised;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
                log_warning("cannot read the limit of descriptors: %s", strerror(errno));
                return SIZE_MAX;
        }
        raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) < 0)
                log_warning("cannot raise the limit of descriptors: %s", strerror(errno));
        else
                limit = raised;
        return limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur;
}

int broker_init(struct broker *broker, int control_fd)
{
        int r;

        *broker = (struct broker){.control_fd = control_fd,
                .timer_fd = -1,
                .timer_usec = USEC_NEVER,
                .accept_again_usec = USEC_NEVER,
                .own_uid = geteuid(),
                .max_descriptors = raise_descriptors(),
                .begun_usec = wall_usec(),
                .keys = {.broker = broker, .kind = LISTEN_KEYS, .fd = -1},
                .status = {.broker = broker, .kind = LISTEN_STATUS, .fd = -1}};
        link_init(&broker->tokens);
        link_init(&broker->instances);
        link_init(&broker->connections);
        link_init(&broker->dirty);
        link_init(&broker->kept);
        link_init(&broker->units);
        broker->buffer = malloc(LIMIT_CHANNEL_MESSAGE);
        if (!broker->buffer)
                return -ENOMEM;
        /* A descriptor of our own and not a timer of sd-event: that one reads a file when it is first armed.
         */
        broker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (broker->timer_fd < 0)
                return -errno;
        r = sd_event_new(&broker->event);
        if (r == 0)
                r = sd_event_add_io(
                        broker->event, &broker->timer, broker->timer_fd, EPOLLIN, on_timer, broker);
        if (r >= 0)
                r = audit_start(broker);
        if (r >= 0)
                r = control_start(broker);
        return r < 0 ? r : 0;
}

static void instance_free(struct broker *broker, struct instance *instance)
{
        LINK_FOREACH(at, &broker->tokens)
        {
                queue_forget(&LINK_OF(at, struct token, link)->queue, instance);
        }
        link_remove(&instance->link);
        free(instance->name);
        free(instance);
}

void broker_done(struct broker *broker)
{
        while (!link_is_empty(&broker->connections))
                connection_free(LINK_OF(broker->connections.next, struct connection, link));
        while (!link_is_empty(&broker->tokens))
                token_free(LINK_OF(broker->tokens.next, struct token, link));
        /* Its records may hold jobs, which name instances. */
        audit_stop(broker);
        while (!link_is_empty(&broker->instances))
                instance_free(broker, LINK_OF(broker->instances.next, struct instance, link));
        listener_stop(broker);
        control_stop(broker);
        sd_event_source_disable_unref(broker->timer);
        if (broker->timer_fd >= 0)
                close(broker->timer_fd);
        sd_event_unref(broker->event);
        config_free(broker->config);
        free(broker->buffer);
}

/* ---- configuration ---- */

struct token *broker_token(struct broker *broker, const char *name)
{
        LINK_FOREACH(at, &broker->tokens)
        {
                struct token *token = LINK_OF(at, struct token, link);

                if (strcmp(token->name, name) == 0)
                        return token;
        }
        return NULL;
}

struct instance *broker_instance(struct broker *broker, const struct config_instance *config)
{
        LINK_FOREACH(at, &broker->instances)
        {
                struct instance *instance = LINK_OF(at, struct instance, link);

                if (config && instance->config == config)
                        return instance;
        }
        return NULL;
}

size_t broker_instance_queued(struct broker *broker, const struct instance *instance)
{
        size_t n = 0;

        LINK_FOREACH(at, &broker->tokens)
        {
                n += queue_count(&LINK_OF(at, struct token, link)->queue, instance);
        }
        return n;
}

/* The tokens of the new configuration, in its order; the others end. */
static int configure_tokens(struct broker *broker, const struct config *config)
{
        struct link kept, gone;

        link_init(&kept);
        link_init(&gone);
        for (size_t i = 0; i < config->n_tokens; i++) {
                struct token *token = broker_token(broker, config->tokens[i]->name);
                int r = token ? 0 : token_new(broker, config->tokens[i], &token);

                if (r < 0)
                        return r;
                token->config = config->tokens[i];
                link_remove(&token->link);
                link_append(&kept, &token->link);
        }
        /* Out of the list before they end: whoever they answer may look through it. */
        link_append_all(&gone, &broker->tokens);
        link_append_all(&broker->tokens, &kept);
        /* A copy is of two tokens: those of an accelerator that goes are no other's any more, whichever of the two goes first. */
        LINK_FOREACH(at, &gone)
        {
                copies_lost(LINK_OF(at, struct token, link));
        }
        while (!link_is_empty(&gone))
                token_free(LINK_OF(gone.next, struct token, link));
        return 0;
}

static struct instance *instance_of_name(struct broker *broker, const char *name)
{
        LINK_FOREACH(at, &broker->instances)
        {
                struct instance *instance = LINK_OF(at, struct instance, link);

                if (strcmp(instance->name, name) == 0)
                        return instance;
        }
        return NULL;
}

static int configure_instance(struct broker *broker, const struct config_instance *config)
{
        struct instance *instance = instance_of_name(broker, config->name);

        if (!instance) {
                instance = calloc(1, sizeof(*instance));
                if (!instance)
                        return -ENOMEM;
                link_init(&instance->link);
                instance->name = strdup(config->name);
                if (!instance->name) {
                        free(instance);
                        return -ENOMEM;
                }
        }
        instance->config = config;
        link_remove(&instance->link);
        link_append(&broker->instances, &instance->link);
        return 0;
}

static int configure_instances(struct broker *broker, const struct config *config)
{
        int r = 0;

        LINK_FOREACH(at, &broker->instances)
        {
                LINK_OF(at, struct instance, link)->config = NULL;
        }
        if (config->n_instances == 0)
                r = configure_instance(broker, &policy_default_instance);
        for (size_t i = 0; i < config->n_instances && r == 0; i++)
                r = configure_instance(broker, config->instances[i]);
        return r;
}

/* Every caller is asked again who it is: what it may changes with the files, not with its next connect. */
static void match_again(struct broker *broker, const struct config *config)
{
        LINK_FOREACH(at, &broker->connections)
        {
                struct connection *c = LINK_OF(at, struct connection, link);

                if (!c->unit_pending)
                        connection_set_instance(c,
                                broker_instance(broker, policy_match(config, &c->caller, broker->own_uid)));
        }
}

static void forget_instances(struct broker *broker)
{
        LINK_FOREACH_SAFE(at, &broker->instances)
        {
                struct instance *instance = LINK_OF(at, struct instance, link);

                if (!instance->config && instance->n_connections == 0 && instance->n_requests == 0 &&
                        instance->n_jobs == 0)
                        instance_free(broker, instance);
        }
}

static size_t room_for_connections(const struct broker *broker, const struct config *config)
{
        size_t kept = FDS_OWN + LIMIT_STATUS_CONNECTIONS + FDS_A_TOKEN * config->n_tokens;

        return broker->max_descriptors > kept ? broker->max_descriptors - kept : 1;
}

int broker_configure(struct broker *broker, struct config *config)
{
        struct config *old = broker->config;
        int r = configure_instances(broker, config);

        broker->config = config;
        if (r == 0) {
                /* Before tokens go: what their jobs' ends set going is under the new policy. */
                match_again(broker, config);
                r = configure_tokens(broker, config);
        }
        audit_configure(broker);
        if (r == 0) {
                broker->max_keys_connections = room_for_connections(broker, config);
                forget_instances(broker);
        }
        config_free(old);
        return r;
}

/* ---- work ---- */

static void drain_check(struct broker *broker)
{
        bool idle = true;

        LINK_FOREACH(at, &broker->connections)
        {
                idle = idle && connection_is_idle(LINK_OF(at, struct connection, link));
        }
        if (!idle && now_usec() < broker->drain_usec)
                return;
        broker->drained = true;
        control_drained(broker);
}

void broker_settle(struct broker *broker)
{
        while (broker->tokens_dirty || broker->audit_dirty || !link_is_empty(&broker->dirty)) {
                if (broker->tokens_dirty) {
                        broker->tokens_dirty = false;
                        LINK_FOREACH(at, &broker->tokens)
                        {
                                struct token *token = LINK_OF(at, struct token, link);

                                if (token->dirty)
                                        token_pump(token);
                        }
                }
                /* Before the replies that may leave without waiting for it. */
                if (broker->audit_dirty)
                        audit_flush(broker);
                while (!broker->audit_dirty && !link_is_empty(&broker->dirty))
                        connection_serve(LINK_OF(broker->dirty.next, struct connection, dirty));
        }
        if (broker->draining && !broker->drained)
                drain_check(broker);
}

void broker_drain(struct broker *broker, uint64_t usec)
{
        broker->draining = true;
        broker->drain_usec = usec;
        listener_stop(broker);
        LINK_FOREACH(at, &broker->connections)
        {
                connection_read_last(LINK_OF(at, struct connection, link));
        }
        broker_arm(broker, usec);
}
