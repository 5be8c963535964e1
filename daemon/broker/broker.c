/* SPDX-License-Identifier: MPL-2.0 */
/* The context: it puts the rooms together, puts configurations in force, and serves what was touched. */
#include "daemon/broker/broker.h"

#include <malloc.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "daemon/broker/accel/copies.h"
#include "daemon/broker/audit/audit-broker.h"
#include "daemon/broker/methods/audit-head.h"
#include "daemon/broker/net/connection.h"
#include "daemon/broker/net/listener.h"
#include "daemon/broker/net/unit.h"
#include "daemon/broker/op/record.h"
#include "daemon/broker/token/live.h"
#include "daemon/broker/token/look.h"
#include "daemon/broker/token/pump.h"
#include "daemon/broker/token/vanished.h"
#include "daemon/util/log.h"
#include "gen/broker/methods/methods.h"

/* Descriptors that are neither a client's nor a token's: the control, the loop, the timer, listeners, the
 * log. */
#define FDS_OWN 32U
/* Of a token: its worker's channel, that of the worker beside it, a look's, and one of each that is being replaced. */
#define FDS_A_TOKEN 6U

/* ---- what is called from below ---- */

static uint64_t denials_tick(struct broker *broker, uint64_t now)
{
        uint64_t next = USEC_NEVER;

        LINK_FOREACH_SAFE(at, &broker->accounts.list)
        {
                struct account *account = LINK_OF(at, struct account, link);
                uint64_t due = account_denials_due_usec(account);

                if (due <= now)
                        record_denials(broker, account);
                else
                        next = MIN_OF(next, due);
        }
        return next;
}

/* So much less than there was is given back to the system, a second later. */
#define TRIM_BYTES (4U * 1024U * 1024U)
#define TRIM_USEC  USEC_PER_SEC

static void plan_trim(struct broker *broker)
{
        const struct accounts *accounts = &broker->accounts;

        if (broker->trim_usec != USEC_NEVER || accounts->peak_bytes - accounts->bytes < TRIM_BYTES)
                return;
        broker->trim_usec = now_usec() + TRIM_USEC;
        loop_arm(&broker->loop, broker->trim_usec);
}

static uint64_t trim_tick(struct broker *broker, uint64_t now)
{
        if (broker->trim_usec > now)
                return broker->trim_usec;
        broker->trim_usec = USEC_NEVER;
        broker->accounts.peak_bytes = broker->accounts.bytes;
        /* The C library keeps what is freed between things that are not. */
        (void)malloc_trim(0);
        return USEC_NEVER;
}

static uint64_t tick(void *userdata, uint64_t now)
{
        struct broker *broker = userdata;
        uint64_t next = listener_tick(broker, now), due = unit_tick(broker, now);

        next = MIN_OF(next, due);
        due = denials_tick(broker, now);
        next = MIN_OF(next, due);
        due = trim_tick(broker, now);
        next = MIN_OF(next, due);
        due = audit_tick(broker, now);
        next = MIN_OF(next, due);

        LINK_FOREACH(token_at, &broker->tokens)
        {
                struct token *token = LINK_OF(token_at, struct token, link);

                due = token_tick(token, now);
                next = MIN_OF(next, due);
                due = look_tick(token, now);
                next = MIN_OF(next, due);
        }
        LINK_FOREACH(connection_at, &broker->connections)
        {
                due = connection_tick(LINK_OF(connection_at, struct connection, link), now);

                next = MIN_OF(next, due);
        }
        return broker->draining && !broker->drained ? MIN_OF(next, broker->drain_usec) : next;
}

static void settle(void *userdata);

static void on_token(struct token *token, enum token_event event)
{
        switch (event) {
        case TOKEN_LOST:
                copies_on_lost(token);
                look_lost(token);
                break;
        case TOKEN_TAKEN_OVER:
                copies_on_lost(token);
                look_forget(token);
                look_lost(token);
                break;
        case TOKEN_REFRESHED:
                copies_settle(token);
                look_compare(token);
                vanished_settle(token);
                break;
        case TOKEN_CHANGED:
                look_please(token);
                break;
        case TOKEN_SETTLED:
                look_settled(token);
                break;
        case TOKEN_UNSURE:
                look_unsure(token);
                break;
        case TOKEN_GOES:
                copies_abandon(token);
                look_done(token);
                break;
        }
}

static void on_dropped(struct token *token, const struct entry *entry)
{
        look_dropped(token, entry);
        if (token->worker->phase == WORKER_SERVING)
                vanished_note(token, entry);
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

        *broker = (struct broker){.methods = method_table,
                .n_methods = N_METHODS,
                .config_ok = true,
                .on_token = on_token,
                .on_dropped = on_dropped,
                .accept_again_usec = USEC_NEVER,
                .trim_usec = USEC_NEVER,
                .turn = 1,
                .own_uid = geteuid(),
                .max_descriptors = raise_descriptors(),
                .begun_usec = wall_usec(),
                .keys = {.broker = broker, .kind = LISTEN_KEYS, .fd = -1},
                .status = {.broker = broker, .kind = LISTEN_STATUS, .fd = -1}};
        link_init(&broker->tokens);
        link_init(&broker->instances);
        link_init(&broker->connections);
        link_init(&broker->dirty);
        link_init(&broker->units);
        accounts_init(&broker->accounts);
        uplink_init(&broker->uplink, control_fd);
        if (getrandom(&broker->list_seed, sizeof(broker->list_seed), 0) < 0)
                return -errno;
        r = loop_init(&broker->loop, tick, settle, broker);
        if (r < 0)
                return r;
        broker->buffer = malloc(LIMIT_CHANNEL_MESSAGE);
        broker->answers = calloc(N_METHODS * PROTO_ERROR_MAX_, sizeof(*broker->answers));
        if (!broker->buffer || !broker->answers)
                return -ENOMEM;
        r = audit_start(broker);
        if (r == 0)
                broker->audit->on_head = audit_head;
        return r;
}

void broker_done(struct broker *broker)
{
        struct link gone;

        while (!link_is_empty(&broker->connections))
                connection_free(LINK_OF(broker->connections.next, struct connection, link));
        link_init(&gone);
        link_append_all(&gone, &broker->tokens);
        tokens_free(broker, &gone);
        /* Its records may hold ops, which name instances. */
        audit_stop(broker);
        registry_done(broker);
        accounts_done(&broker->accounts);
        listener_stop(broker);
        uplink_done(&broker->uplink);
        loop_done(&broker->loop);
        config_free(broker->config);
        free(broker->config_reason);
        free(broker->buffer);
        free(broker->answers);
}

/* ---- configuration ---- */

/* The tokens that the configuration adds, in its order. */
static int make_tokens(struct broker *broker, const struct config *config, struct link *added)
{
        for (size_t i = 0; i < config->n_tokens; i++) {
                struct token *token;
                int r;

                if (registry_token(broker, config->tokens[i]->name))
                        continue;
                r = token_new(broker, config->tokens[i], &token);
                if (r < 0)
                        return r;
                link_append(added, &token->link);
        }
        return 0;
}

/* The tokens of the new configuration, in its order; the others end. */
static void configure_tokens(
        struct broker *broker, const struct config *config, struct link *added, bool read)
{
        struct link kept, gone;

        link_init(&kept);
        link_init(&gone);
        for (size_t i = 0; i < config->n_tokens; i++) {
                struct token *token = registry_token(broker, config->tokens[i]->name);

                if (!token)
                        token = LINK_OF(added->next, struct token, link);
                token->config = config->tokens[i];
                if (read)
                        vanished_forget(token);
                link_remove(&token->link);
                link_append(&kept, &token->link);
        }
        /* Out of the list before they end: whoever they answer may look through it. */
        link_append_all(&gone, &broker->tokens);
        link_append_all(&broker->tokens, &kept);
        tokens_free(broker, &gone);
}

/* Every caller is asked again who it is: what it may changes with the files, not with its next connect. */
static void match_again(struct broker *broker)
{
        LINK_FOREACH(at, &broker->connections)
        {
                connection_match_again(LINK_OF(at, struct connection, link));
        }
}

static void units_wanted(struct broker *broker)
{
        LINK_FOREACH(at, &broker->connections)
        {
                unit_wanted(LINK_OF(at, struct connection, link));
        }
}

static size_t room_for_connections(const struct broker *broker, const struct config *config)
{
        size_t kept = FDS_OWN + LIMIT_STATUS_CONNECTIONS + FDS_A_TOKEN * config->n_tokens;

        return broker->max_descriptors > kept ? broker->max_descriptors - kept : 1;
}

int broker_configure(struct broker *broker, struct config *config, bool read)
{
        struct config *old = broker->config;
        struct link added;
        int r;

        /* First what can fail: the configuration is put in force as a whole, or not at all. */
        link_init(&added);
        r = make_tokens(broker, config, &added);
        if (r == 0)
                r = registry_configure(broker, config);
        if (r < 0) {
                tokens_free(broker, &added);
                config_free(config);
                return r;
        }
        broker->config = config;
        /* Before tokens go: what their ops' ends set going is under the new policy. */
        match_again(broker);
        configure_tokens(broker, config, &added, read);
        audit_configure(broker);
        broker->accounts.max_bytes = config->max_memory;
        units_wanted(broker);
        broker->max_keys_connections = room_for_connections(broker, config);
        registry_forget(broker);
        config_free(old);
        return 0;
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
        uplink_drained(&broker->uplink);
}

static void settle(void *userdata)
{
        struct broker *broker = userdata;

        while (broker->tokens_dirty || broker->audit_dirty || !link_is_empty(&broker->dirty)) {
                if (broker->tokens_dirty) {
                        broker->tokens_dirty = false;
                        LINK_FOREACH(at, &broker->tokens)
                        {
                                struct token *token = LINK_OF(at, struct token, link);

                                if (token->dirty)
                                        pump(token);
                        }
                }
                /* Before the replies that may leave without waiting for it. */
                if (broker->audit_dirty)
                        audit_flush(broker);
                while (!broker->audit_dirty && !link_is_empty(&broker->dirty))
                        connection_serve(LINK_OF(broker->dirty.next, struct connection, client.dirty));
        }
        broker->turn++;
        plan_trim(broker);
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
        loop_arm(&broker->loop, usec);
}
